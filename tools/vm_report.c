// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/vm_report.h"

#include <stdio.h>

const char *vm_report_text(const json_t *of, const char *key)
{
	const char *text = json_string_value(json_object_get(of, key));

	return text ? text : "";
}

const char *vm_report_number(const json_t *of, const char *key, char *buf, size_t size)
{
	const json_t *n = json_object_get(of, key);

	buf[0] = '\0';
	if (json_is_integer(n))
		snprintf(buf, size, "%lld", (long long)json_integer_value(n));
	return buf;
}

const char *vm_report_uptime(const json_t *status, char *buf, size_t size)
{
	const json_t *n = json_object_get(status, "uptime_s");
	long long s = json_integer_value(n), minutes = s / 60, hours = minutes / 60;

	buf[0] = '\0';
	if (!json_is_integer(n))
		return buf;
	if (hours >= 24)
		snprintf(buf, size, "%lldd %lldh", hours / 24, hours % 24);
	else if (hours)
		snprintf(buf, size, "%lldh %lldm", hours, minutes % 60);
	else if (minutes)
		snprintf(buf, size, "%lldm %llds", minutes, s % 60);
	else
		snprintf(buf, size, "%llds", s);
	return buf;
}

const char *vm_report_devices(const json_t *status, char *buf, size_t size)
{
	const json_t *devices = json_object_get(status, "devices");
	size_t n = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < json_array_size(devices) && n < size; i++) {
		const char *name = json_string_value(json_array_get(devices, i));

		n += (size_t)snprintf(buf + n, size - n, "%s%s", i ? " " : "", name ? name : "?");
	}
	return buf;
}

const char *vm_report_fs(const json_t *status, char *buf, size_t size)
{
	const json_t *all = json_object_get(status, "fs"), *fs;
	size_t n = 0, i;

	buf[0] = '\0';
	json_array_foreach(all, i, fs)
		if (n < size)
			n += (size_t)snprintf(buf + n, size - n, "%s%s%s", i ? ", " : "",
					      vm_report_text(fs, "tag"),
					      json_is_true(json_object_get(fs, "backend")) ?
						      "" : " (nobody serves it)");
	return buf;
}

const char *vm_report_scsi(const json_t *status, char *buf, size_t size)
{
	const json_t *all = json_object_get(status, "scsi"), *scsi;
	size_t n = 0, i;

	buf[0] = '\0';
	json_array_foreach(all, i, scsi)
		if (n < size)
			n += (size_t)snprintf(buf + n, size - n, "%s%s%s", i ? ", " : "",
					      vm_report_text(scsi, "wwpn"),
					      json_is_true(json_object_get(scsi, "driven")) ?
						      "" : " (no driver)");
	return buf;
}

const char *vm_report_ports(const json_t *status, char *buf, size_t size)
{
	static const char *const ends[] = { "", " (guest)", " (client)", " (guest, client)" };
	const json_t *ports = json_object_get(status, "ports"), *port;
	size_t n = 0, i;

	buf[0] = '\0';
	json_array_foreach(ports, i, port) {
		unsigned who = (json_is_true(json_object_get(port, "guest")) ? 1 : 0) |
			       (json_is_true(json_object_get(port, "client")) ? 2 : 0);

		if (n < size)
			n += (size_t)snprintf(buf + n, size - n, "%s%s%s", i ? ", " : "",
					      vm_report_text(port, "name"), ends[who]);
	}
	return buf;
}
