// SPDX-License-Identifier: GPL-2.0-or-later
/* What the control socket tells of a failover, and what of it may be asked. */
#include "vmm/control_failover.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/handover.h"
#include "vmm/machine.h"

static struct vmm_config config;
static struct machine m;
static char asked[32]; /* "0>" primary, "0<" standby */

static void on_nic(unsigned nic, enum vm_nic_event event)
{
	size_t len = strlen(asked);

	snprintf(asked + len, sizeof(asked) - len, "%u%s", nic,
		 event == VM_NIC_WANT_PRIMARY ? ">" : event == VM_NIC_WANT_STANDBY ? "<" : "?");
}

/* Two network devices; the second one has a VF. */
static int setup(void **state)
{
	memset(&config, 0, sizeof(config));
	config.nic_count = 2;
	memcpy(config.nics[0].mac, "\2\0\0\0\0\7", 6);
	memcpy(config.nics[1].mac, "\2\0\0\0\0\10", 6);
	config.nics[1].standby = true;
	config.nics[0].tap_fd[0] = config.nics[1].tap_fd[0] = -1;
	m = (struct machine){ .config = &config, .vm.on_nic = on_nic };
	asked[0] = '\0';
	return 0;
}

static int teardown(void **state)
{
	control_failover_fini(&m);
	return 0;
}

static const char *dump(json_t *doc)
{
	static char text[512];
	char *made = json_dumps(doc, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);

	snprintf(text, sizeof(text), "%s", made);
	free(made);
	json_decref(doc);
	return text;
}

/* The refusal, or "". */
static const char *ask(const char *params)
{
	static struct err err;
	json_t *p = json_loads(params, 0, NULL);

	err = (struct err)ERR_INIT;
	(void)control_failover_use(&m, p, json_string_value(json_object_get(p, "use")), &err);
	json_decref(p);
	return err.text;
}

static void test_it_tells_of_each(void **state)
{
	const struct vmm_nic_state s = { .nic = 1, .report = true, .primary = true, .wanted = true,
					 .device = "0000:01:10.0", .cause = "well-again" };

	assert_string_equal(dump(control_failover_report(&m, 0)), "null");
	assert_string_equal(dump(control_failover_report(&m, 1)),
			    "{\"active\":\"standby\",\"cause\":null,\"device\":null,"
			    "\"waits_for\":null,\"wanted\":\"primary\"}");
	control_failover_told(&m, &s);
	assert_string_equal(dump(control_failover_report(&m, 1)),
			    "{\"active\":\"primary\",\"cause\":\"well-again\",\"device\":\"0000:01:10.0\","
			    "\"waits_for\":null,\"wanted\":\"primary\"}");
	assert_string_equal(asked, "");
}

static void test_what_is_asked_goes_to_the_supervisor(void **state)
{
	assert_string_equal(ask("{\"use\":\"standby\"}"), "");
	assert_string_equal(ask("{\"use\":\"primary\",\"nic\":1}"), "");
	assert_string_equal(asked, "1<1>");
}

static void test_what_cannot_be_asked(void **state)
{
	static const struct {
		const char *params, *word;
	} rows[] = {
		{ "{\"use\":\"both\"}", "\"use\" is \"standby\" or \"primary\"" },
		{ "{\"use\":1}", "\"use\" is" },
		{ "{\"use\":\"standby\",\"nic\":0}", "network device 0 of the guest has no failover" },
		{ "{\"use\":\"standby\",\"nic\":2}", "the guest has no network device 2: it has 2, which count from 0" },
		{ "{\"use\":\"standby\",\"nic\":-1}", "no network device -1" },
		{ "{\"use\":\"standby\",\"nic\":\"1\"}", "\"nic\" is the number" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!strstr(ask(rows[i].params), rows[i].word))
			fail_msg("%s gave: %s", rows[i].params, ask(rows[i].params));
	config.nics[0].standby = true;
	assert_non_null(strstr(ask("{\"use\":\"standby\"}"), "2 network devices have failover"));
	m.paused = true;
	assert_non_null(strstr(ask("{\"use\":\"standby\",\"nic\":1}"), "a guest that is paused"));
	config.nics[0].standby = config.nics[1].standby = false;
	assert_non_null(strstr(ask("{\"use\":\"standby\"}"), "no network device with failover"));
	assert_string_equal(asked, "");
}

static void test_only_what_has_failover_is_told_of(void **state)
{
	control_failover_told(&m, &(struct vmm_nic_state){ .nic = 0, .report = true, .cause = "x" });
	control_failover_told(&m, &(struct vmm_nic_state){ .nic = 7, .report = true, .cause = "x" });
	assert_null(m.nic_state[0]);
	assert_null(m.nic_state[7]);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_it_tells_of_each),
		T(test_what_is_asked_goes_to_the_supervisor),
		T(test_what_cannot_be_asked),
		T(test_only_what_has_failover_is_told_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
