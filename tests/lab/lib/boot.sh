# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# shellcheck disable=SC2054 # QEMU's options hold commas
# The emulated host's hardware, as QEMU's command line.

megabytes()		# 6G|512M
{
	case $1 in
	*G) echo $((${1%G} * 1024)) ;;
	*M) echo "${1%M}" ;;
	*) usage_error "memory $1 is neither G nor M" ;;
	esac
}

# A comma in a path would end QEMU's option.
q()
{
	printf '%s' "${1//,/,,}"
}

qemu_accel()
{
	# Without the CPU's fast string instructions: software emulation runs
	# "rep stosb" byte by byte, eight times slower than what the kernel uses
	# where they are missing, and counts an instruction for each byte.
	# Most of the RAM is above 4G, or node 0 has no 1G page to give. Four
	# levels of page tables, as on most hosts.
	local cpu="max,+svm,-la57,-erms,-fsrm,-fzrm,-fsrs,-fsrc"

	if [[ $ICOUNT ]]; then
		# One instruction is one nanosecond of the host's clock.
		QEMU+=(-accel tcg,thread=single -icount "shift=0,sleep=off"
			-cpu "$cpu" -M "q35,max-ram-below-4g=1G,kernel-irqchip=off")
	elif [[ ${LAB_ACCEL:-tcg} == kvm ]]; then
		QEMU+=(-accel kvm -cpu host -M "q35,max-ram-below-4g=1G,kernel-irqchip=split")
	else
		# All CPUs on one thread. With one each a CPU may translate code once more while
		# another writes it, and then runs into the breakpoint of a patch that is over: hosts
		# died of "Oops: int3" in the scheduler, guests stood still or reset. And it costs a
		# seventh more CPU time, of which several hosts at a time have none to spare.
		QEMU+=(-accel "tcg,thread=${LAB_THREAD:-single}" -cpu "$cpu" -M "q35,max-ram-below-4g=1G,kernel-irqchip=off")
	fi
}

qemu_numa()
{
	local node half smp=1 cpus=(,cpus=0 "")

	half=$(($(megabytes "$MEMORY") / 2))
	if ((SMP > 1)); then
		((SMP % 2 == 0)) || usage_error "--smp $SMP is odd; the two nodes share the CPUs evenly"
		smp="$SMP,sockets=2,cores=$((SMP / 2))"
		cpus=(",cpus=0-$((SMP / 2 - 1))" ",cpus=$((SMP / 2))-$((SMP - 1))")
	fi
	QEMU+=(-smp "$smp" -m "$((half * 2))M")
	for node in 0 1; do
		QEMU+=(-object "memory-backend-ram,id=m$node,size=${half}M"
			-numa "node,nodeid=$node${cpus[node]},memdev=m$node")
	done
}

qemu_iommu()
{
	local vtd=intel-iommu,intremap=on,caching-mode=on,device-iotlb=on,aw-bits=48

	case $HOST_KIND in
	vtd | old) QEMU+=(-device "$vtd") ;;
	noremap) QEMU+=(-device "${vtd/intremap=on/intremap=off}") ;;
	narrow) QEMU+=(-device "${vtd/aw-bits=48/aw-bits=39}") ;;
	amdvi) QEMU+=(-device amd-iommu,intremap=on,xtsup=on,dma-remap=on) ;;
	none) ;;
	*) usage_error "no host kind $HOST_KIND (vtd amdvi none noremap narrow old)" ;;
	esac
}

# Two NICs (one per node) and an NVMe with SR-IOV, an IOMMU group that several
# devices share, a device with a large BAR, one with many MSI vectors.
qemu_devices()
{
	QEMU+=(
		-device pcie-root-port,id=rp0,bus=pcie.0,chassis=1,slot=1
		-netdev user,id=n0
		-device igb,id=pf0,bus=rp0,netdev=n0,mac=52:54:00:00:00:01
		-device pxb-pcie,id=pxb1,bus_nr=128,bus=pcie.0,numa_node=1
		-device pcie-root-port,id=rp1,bus=pxb1,chassis=2,slot=2
		-netdev user,id=n1
		-device igb,id=pf1,bus=rp1,netdev=n1,mac=52:54:00:00:00:02
		-device pcie-root-port,id=rp2,bus=pcie.0,chassis=3,slot=3
		-device nvme-subsys,id=ss0
		-device nvme,id=nvme0,bus=rp2,serial=lab0,subsys=ss0,sriov_max_vfs=4,sriov_vq_flexible=8,sriov_vi_flexible=4,max_ioqpairs=12,msix_qsize=12
		-drive "if=none,id=d0,format=raw,file=$(q "$RUN_DIR/nvme.img")"
		-device nvme-ns,drive=d0,nsid=1,shared=on
		-device pcie-root-port,id=rp3,bus=pcie.0,chassis=4,slot=4
		-device pcie-pci-bridge,id=br0,bus=rp3
		-device edu,id=edu0,bus=br0,addr=1
		-device bochs-display,id=gpu0,bus=br0,addr=2
		-device pcie-root-port,id=rp4,bus=pcie.0,chassis=5,slot=5
		-object memory-backend-ram,id=shm,size=1G,share=on
		-device ivshmem-plain,id=bigbar0,memdev=shm,bus=rp4
		-device pcie-root-port,id=rp5,bus=pcie.0,chassis=6,slot=6
		-device nec-usb-xhci,id=usb0,bus=rp5
	)
}

share_device()		# TAG PATH [OPTIONS]
{
	QEMU+=(-fsdev "local,id=$1,path=$(q "$2"),security_model=none,multidevs=remap${3:-}"
		-device "virtio-9p-pci,bus=pcie.0,fsdev=$1,mount_tag=$1")
}

disk_device()		# ID FILE
{
	QEMU+=(-drive "if=none,id=$1,format=raw,readonly=on,file=$(q "$2")"
		-device "virtio-blk-pci,bus=pcie.0,drive=$1")
}

qemu_channels()
{
	disk_device root "$IMAGE"
	disk_device modules "$KERNEL/modules.img"
	share_device l2 "$L2" ,readonly=on
	share_device src "$SRC" ,readonly=on
	share_device out "$OUT"
	QEMU+=(
		-chardev "socket,id=qmp,path=$RUN_DIR/qmp,server=on,wait=off"
		-object monitor-qmp,id=monitor,chardev=qmp
		-chardev "socket,id=qmp-in,path=$RUN_DIR/qmp"
		-device virtio-serial-pci,id=ports,bus=pcie.0
		-device virtserialport,chardev=qmp-in,name=lab.qmp
		-chardev "file,id=console,path=$(q "$OUT/console.log")"
		-serial chardev:console
	)
	if [[ $MODE == shell ]]; then
		QEMU+=(-chardev stdio,id=tty,signal=off -device virtconsole,chardev=tty)
	else
		QEMU+=(-chardev "file,id=job,path=$RUN_DIR/output" -device virtserialport,chardev=job,name=lab.out)
	fi
}

# The emulated TSC is this machine's; TSC_KHZ stays empty where it cannot be measured.
need_tsc()
{
	local source=$LAB_DIR/emulator/tsc.c

	TSC_KHZ=
	[[ $(uname -m) == x86_64 && ${LAB_ACCEL:-tcg} == tcg && ! $ICOUNT ]] || return 0
	command -v "${CC:-cc}" >/dev/null || return 0
	part tsc "$(recipe_hash "$source")" part_tsc "$source"
	TSC_KHZ=$("$PART/tsc")
}

part_tsc()		# DIRECTORY SOURCE
{
	"${CC:-cc}" -O2 -o "$1/tsc" "$2"
}

# --hugepages 2M=0:128,1:128 becomes hugepagesz=2M hugepages=0:128,1:128
kernel_command_line()
{
	local line h

	# The TSC of software emulation is the machine's own; checking it costs a
	# second and a half.
	# The kernel's tests of its own cryptography and of a noise source cost one more.
	# Messages cost a second at the emulated port; those below a warning are in dmesg alone.
	# A kernel at a random physical address may sit in the only free gigabyte.
	line="console=ttyS0 quiet panic=-1 nokaslr cryptomgr.notests initcall_blacklist=jent_mod_init tsc=reliable no_timer_check rcupdate.rcu_cpu_stall_suppress=1 nowatchdog"
	# Zeroing each page when it is given and again when it is used is half of what a guest's
	# RAM costs, and moving its pages to the node of the CPU that happens to run it (118,000 of
	# them for six small guests) the tenth part. Where costs are counted the host is as it comes.
	[[ $ICOUNT ]] || line+=" init_on_alloc=0 numa_balancing=disable"
	[[ ! $TSC_KHZ ]] || line+=" tsc_early_khz=$TSC_KHZ"
	case $HOST_KIND in
	none) ;;
	amdvi) line+=" amd_iommu=on iommu=pt" ;;
	*) line+=" intel_iommu=on iommu=pt" ;;
	esac
	line+=" default_hugepagesz=2M"
	for h in "${HUGEPAGES[@]}"; do
		[[ $h == *=* ]] || usage_error "--hugepages $h is not SIZE=NODE:COUNT,…"
		line+=" hugepagesz=${h%%=*} hugepages=${h#*=}"
	done
	echo "$line${APPEND:+ $APPEND}"
}

qemu_command()
{
	need_tsc
	QEMU=("$ROOT/usr/lib64/ld-linux-x86-64.so.2" --library-path "$ROOT/usr/lib/x86_64-linux-gnu"
		${MEND:+--preload "$MEND"} "$ROOT/usr/bin/qemu-system-x86_64" -L "$ROOT/usr/share/qemu" -L "$ROOT/usr/share/seabios"
		-nodefaults -no-user-config -display none)
	[[ $REBOOTS ]] || QEMU+=(-no-reboot)
	qemu_accel
	qemu_numa
	qemu_iommu
	qemu_devices
	qemu_channels
	QEMU+=(-kernel "$KERNEL/vmlinuz" -initrd "${INITRD:-$KERNEL/initrd.img}" -append "$(kernel_command_line)"
		"${QEMU_EXTRA[@]}")
}
