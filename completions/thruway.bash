# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2016
# Completion of thruway(8) for bash. Commands, options and what they take are read from the
# program's own --help, devices from sysfs: what changes there need not be changed here.

_thruway_sysfs=/sys _thruway_run=/run _thruway_etc=/etc

# Its words in COMPREPLY are what may stand where `cur` is being typed. No compgen -W, which
# would run what an interface's name may hold.
_thruway_offer()	# WORD…
{
	local word

	for word; do
		[[ $word != "$cur"* ]] || COMPREPLY+=("$before$(printf %q "$word")")
	done
}

# Names of PCI functions: of all that are no bridges, of PFs, or of VFs.
_thruway_functions()	# device|pf|vf
{
	local dir class name vf names n

	for dir in "$_thruway_sysfs"/bus/pci/devices/*; do
		{ read -r class <"$dir/class"; } 2>/dev/null || continue
		[[ $class != 0x06* || $class == 0x0680* ]] || continue
		names=()
		for name in "$dir"/net/* "$dir"/nvme/nvme*; do
			[[ ! -e $name || ($1 == device && $name == "$dir"/nvme/*) ]] || names+=("${name##*/}")
		done
		case $1 in
		device) _thruway_offer "${dir##*/}" "${names[@]}" ;;
		pf) [[ ! -e $dir/sriov_totalvfs ]] || _thruway_offer "${dir##*/}" "${names[@]}" ;;
		vf) [[ ! -e $dir/physfn ]] || _thruway_offer "${dir##*/}" ;;
		esac
		[[ $1 != pf ]] || continue
		for vf in "$dir"/virtfn*; do
			n=${vf##*/virtfn}
			[[ ! -e $vf ]] || _thruway_offer "${names[0]:-${dir##*/}}/vf$n"
		done
	done
}

_thruway_names_in()	# DIR PREFIX
{
	local name

	for name in "$_thruway_sysfs/$1/$2"*; do
		[[ ! -e $name ]] || { name=${name##*/}; _thruway_offer "${name#"$2"}"; }
	done
}

# VMs by their control sockets; another user's directory shows none.
_thruway_vms()
{
	local name

	for name in "$_thruway_run"/thruway/vm/*.sock; do
		[[ ! -e $name ]] || { name=${name##*/}; _thruway_offer "${name%.sock}"; }
	done
}

# VMs that files describe.
_thruway_described()
{
	local name

	for name in "$_thruway_etc"/thruway/vm/*.yaml; do
		[[ ! -e $name ]] || { name=${name##*/}; _thruway_offer "${name%.yaml}"; }
	done
}

_thruway_reasons()	# several, with commas between
{
	local before=$before

	local reason has=,${cur%,*},

	[[ $cur == *,* ]] || has=
	if [[ $cur == *,* ]]; then
		before+=${cur%,*},
		cur=${cur##*,}
	fi
	for reason in "${reasons[@]}"; do
		[[ $has == *,$reason,* ]] || _thruway_offer "$reason"
	done
}

_thruway_attributes()	# THE-WORD-BEFORE
{
	case $1 in
	spoofchk | trust | query_rss) _thruway_offer on off ;;
	state) _thruway_offer auto enable disable ;;
	proto) _thruway_offer 802.1Q 802.1ad ;;
	mac) _thruway_offer none ;;
	vlan | qos | *_tx_rate | *_guid | queues | interrupts) ;;
	*) _thruway_offer mac vlan qos proto spoofchk trust state min_tx_rate max_tx_rate query_rss \
		node_guid port_guid queues interrupts ;;
	esac
}

# What stands for a kind of thing in --help, offered.
_thruway_kind()		# KIND OPTION
{
	local word words

	case $1 in
	PF/vf*) _thruway_functions vf ;;
	PF*) _thruway_functions pf ;;
	DEV*) _thruway_functions device ;;
	VM) _thruway_vms ;;
	VM.yaml) _thruway_described && compopt -o default 2>/dev/null ;;
	D) _thruway_names_in bus/pci/drivers '' && _thruway_offer none ;;
	USER) mapfile -t words < <(compgen -u) && _thruway_offer "${words[@]}" ;;
	A,B) _thruway_reasons ;;
	N*) [[ $2 != *node ]] || _thruway_names_in devices/system/node node ;;
	FILE) compopt -o default 2>/dev/null ;;
	*[a-z0-9]*)
		IFS='|' read -ra words <<<"${1//[]\[…,]/}"
		for word in "${words[@]}"; do [[ $word != *[a-z0-9]* ]] || _thruway_offer "$word"; done ;;
	esac
}

# --help as: `options` (their words), `takes` (what kind of thing follows, by word; "=…" with a
# sign between), `operands` (the rest of the synopsis), `reasons` (those that --force takes).
_thruway_read_help()	# COMMAND…
{
	local line word words last='' synopsis=1 listed='^ +([a-z-]+(, [a-z-]+)*),?$' row='^ +(-([a-zA-Z]), )?(--[a-z][a-z-]*)(([ =])([^ ]+))?'

	while IFS= read -r line; do
		if [[ ! $line ]]; then
			synopsis=''
		elif [[ $synopsis ]]; then
			for word in ${line#usage: thruway "$*"}; do
				if [[ $word =~ ^\[*(--?[a-z][a-z-]*)(=[^]]*)?(\]*)$ ]]; then
					last=${BASH_REMATCH[1]}
					options+=("$last")
					takes[$last]=${takes[$last]:-${BASH_REMATCH[2]}}
					[[ ! ${BASH_REMATCH[2]}${BASH_REMATCH[3]} ]] || last=''
				elif [[ $last && $word != [\|\[]* ]]; then
					takes[$last]=${word%%]*} last=''
				else
					[[ $word == '|' ]] || operands+=("$word")
					last=''
				fi
			done
		elif [[ $line =~ $row ]]; then
			word=${BASH_REMATCH[3]}
			options+=("$word")
			takes[$word]=${takes[$word]:-${BASH_REMATCH[5]/ /}${BASH_REMATCH[6]}}
			[[ ! ${BASH_REMATCH[2]} ]] || takes[-${BASH_REMATCH[2]}]=${takes[$word]}
			last=$word
		elif [[ $last == --force && $line =~ $listed ]]; then
			IFS=', ' read -ra words <<<"${BASH_REMATCH[1]}"
			reasons+=("${words[@]}")
		fi
	done < <(_thruway_ask "$@" --help)
}

_thruway_ask()		# WORD…: the program, also where only root has it in PATH
{
	PATH=$PATH:/usr/local/sbin:/usr/sbin "$program" "$@" 2>/dev/null </dev/null
}

# The names of commands, by their first words or, after one, by their second.
_thruway_commands()	# [FIRST-WORD]
{
	local line name

	while IFS= read -r line; do
		[[ $line == '  '[a-z]* ]] || continue
		read -r name <<<"${line:2:12}"
		if [[ ! ${1:-} ]]; then
			[[ " ${COMPREPLY[*]} " == *" ${name%% *} "* ]] || _thruway_offer "${name%% *}"
		elif [[ $name == "$1 "* ]]; then
			_thruway_offer "${name#* }"
		fi
	done < <(_thruway_ask help)
	[[ ${1:-} ]] || _thruway_offer help run
}

# How many words name the command; 0: they do not yet.
_thruway_command_words()
{
	local COMPREPLY=() cur='' before=''

	_thruway_commands "${words[0]}"
	echo $((${#COMPREPLY[@]} ? (${#words[@]} > 1 ? 2 : 0) : 1))
}

_thruway_operand()	# HOW-MANY-BEFORE THE-LAST-OF-THEM
{
	local i

	case ${operands[*]} in
	*COMMAND*) [[ $1 -gt 0 ]] || mapfile -t COMPREPLY < <(compgen -c -- "$cur"); compopt -o default 2>/dev/null ;;
	DEV* | \[DEV*) _thruway_kind DEV '' ;;
	\[[a-z]*) # words to choose from
		for i in "${operands[@]}"; do [[ $1 -gt 0 || $i == *[A-Z]* ]] || _thruway_offer "${i//[\[\]]/}"; done ;;
	*)
		if [[ $1 -eq 0 && ${operands[0]:-} ]]; then
			_thruway_kind "${operands[0]//[\[\]…]/}" ''
		elif [[ ${operands[*]} == *ATTR* && ($1 -gt 1 || ${operands[1]} != N) ]]; then
			_thruway_attributes "$2"
		fi ;;
	esac
}

_thruway_arguments()
{
	local -A takes
	local options=() operands=() reasons=() n=0 last='' option='' i

	i=$(_thruway_command_words)
	if ((i == 0)); then
		_thruway_commands "${words[0]}"
		return
	fi
	_thruway_read_help "${words[@]:0:i}"
	for i in "${words[@]:i}"; do
		if [[ $option ]]; then option=''
		elif [[ $i == -- ]]; then options=() takes=()
		elif [[ $i == -?* && ${takes[${i%%=*}]+is} ]]; then
			[[ ! ${takes[$i]:-} || ${takes[$i]} == =* ]] || option=$i
		else
			n=$((n + 1)) last=$i
		fi
	done
	if [[ $cur == --*=* ]]; then
		option=${cur%%=*} cur=${cur#*=} before=''
		[[ $COMP_WORDBREAKS == *=* ]] || before=$option=
	fi
	if [[ $option ]]; then
		_thruway_kind "${takes[$option]#=}" "$option"
	elif [[ $cur == -* ]]; then
		for i in "${options[@]}"; do
			[[ ${takes[$i]} != =* ]] || i+="="
			[[ " ${COMPREPLY[*]} " == *" $i "* ]] || _thruway_offer "$i"
		done
		[[ ${COMPREPLY[*]} != *= ]] || compopt -o nospace 2>/dev/null
	else
		_thruway_operand "$n" "$last"
	fi
}

_thruway()
{
	local program=$1 before='' words cur i line=${COMP_LINE:0:COMP_POINT}

	# Not COMP_WORDS, which has addresses in pieces.
	read -ra words <<<"$line"
	[[ $line != *[[:blank:]] ]] || words+=('')
	while [[ ${#words[@]} -gt 1 && ${words[0]##*/} != "${program##*/}" ]]; do
		words=("${words[@]:1}")
	done
	cur=${words[-1]}
	words=("${words[@]:1:${#words[@]} - 2}")
	COMPREPLY=()
	[[ ${words[0]:-} != help ]] || words=("${words[@]:1}")
	if ((!${#words[@]})); then
		if [[ $cur == -* ]]; then _thruway_offer --help --version; else _thruway_commands; fi
	else
		_thruway_arguments
	fi
	# Readline puts in what stands behind the last character that breaks words.
	[[ $cur != *:* || $COMP_WORDBREAKS != *:* ]] ||
		for i in "${!COMPREPLY[@]}"; do COMPREPLY[i]=${COMPREPLY[i]#"${cur%"${cur##*:}"}"}; done
}

complete -F _thruway thruway
