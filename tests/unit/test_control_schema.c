// SPDX-License-Identifier: GPL-2.0-or-later
/* docs/control.schema.json against the server: each knows all that the other does, and no more. */
#include "vmm/control.h"

#include <errno.h>

#include "tests/fake/control_schema.h"
#include "tests/fake/ioctl.h"
#include "tests/fake/json_schema.h"
#include "tests/fake/vfio_machine.h"
#include "vmm/control_alarm.h"
#include "vmm/control_failover.h"
#include "vmm/control_net.h"
#include "vmm/control_report.h"
#include "vmm/ctl.h"
#include "vmm/hw/watchdog.h"
#include "vmm/machine.h"
#include "vmm/vcpu.h"
#include "vmm/vfio_pci/vfio_pci.h"
#include "vmm/virtio/balloon.h"

static struct vfio_machine host;
static struct machine m;
static json_t *schema;
static char why[300];

/* --- notifications are caught on their way to the clients ---------------------------------------- */

static unsigned noted, notes_bad;

void __wrap_ctl_notify(struct ctl *ctl, const char *event, json_t *params);
void __wrap_ctl_notify(struct ctl *ctl, const char *event, json_t *params)
{
	char *text = jsonrpc_notification(event, params);
	json_t *note = json_loads(text, 0, NULL);

	noted++;
	if (control_schema_notification(schema, note, why, sizeof(why)) < 0) {
		print_error("%s\n %s\n", text, why);
		notes_bad++;
	}
	json_decref(note);
	free(text);
}

/* --- a machine with a device and a balloon -------------------------------------------------------- */

static bool never(void *opaque)
{
	return false;
}

static int load_schema(void **state)
{
	json_error_t e;

	schema = json_load_file("docs/control.schema.json", JSON_REJECT_DUPLICATES, &e);
	if (!schema)
		print_error("docs/control.schema.json: line %d: %s\n", e.line, e.text);
	return schema ? 0 : -1;
}

static int unload_schema(void **state)
{
	json_decref(schema);
	return 0;
}

static int setup(void **state)
{
	static const struct balloon_owner owner = { never, NULL };
	const struct watchdog_owner watchdog = { control_alarm_watchdog, &m };

	noted = notes_bad = 0;
	vfio_machine_new(&host);
	vfio_machine_igbvf(&host);
	host.config.numa.nodes = 1;
	host.config.cpus = 1;
	host.config.nic_count = 1;
	host.config.nics[0].standby = true;
	m = (struct machine){ .config = &host.config };
	assert_int_equal(virtio_balloon_new(&host.guest.vm, &owner, &m.balloon, NULL), 0);
	assert_int_equal(watchdog_new(&host.guest.vm, &watchdog, &m.watchdog, NULL), 0);
	assert_int_equal(vfio_machine_start(&host), 0);
	m.host_devices = host.set;
	m.vm = host.guest.vm;
	m.vm.ncpus = 1;
	m.vm.vcpus = calloc(1, sizeof(*m.vm.vcpus));
	m.vm.vcpus[0].stats_fd = -1;
	m.stats_asked = true;
	return 0;
}

static int teardown(void **state)
{
	free(m.vm.vcpus);
	control_failover_fini(&m);
	m.balloon = virtio_balloon_free(m.balloon);
	m.watchdog = watchdog_free(m.watchdog);
	vfio_machine_free(&host);
	return 0;
}

/* What the server says, checked. Its error's code; 0: none. */
static int ask(const char *method, const char *params)
{
	char request[600];
	char *text;
	json_t *answer;
	int code;

	snprintf(request, sizeof(request), "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\"%s%s}", method,
		 params ? ",\"params\":" : "", params ? params : "");
	text = jsonrpc_answer(control_methods, &m, request, strlen(request));
	answer = json_loads(text, 0, NULL);
	if (control_schema_answer(schema, method, answer, why, sizeof(why)) < 0)
		fail_msg("%s\n -> %s\n %s", request, text, why);
	code = (int)json_integer_value(json_object_get(json_object_get(answer, "error"), "code"));
	json_decref(answer);
	free(text);
	return code;
}

/* --- both ways ------------------------------------------------------------------------------------- */

static const struct jsonrpc_method *server_has(const char *name)
{
	const struct jsonrpc_method *s = control_methods;

	while (s->name && strcmp(s->name, name) != 0)
		s++;
	return s->name ? s : NULL;
}

static const json_t *resolved(const json_t *part)
{
	const char *ref = json_string_value(json_object_get(part, "$ref"));

	return ref ? json_schema_at(schema, ref) : part;
}

static bool takes(const struct jsonrpc_method *s, const char *param)
{
	for (const char *const *p = s->params; p && *p; p++)
		if (strcmp(*p, param) == 0)
			return true;
	return false;
}

static void test_methods_and_their_parameters_are_the_same(void **state)
{
	json_t *methods = json_object_get(schema, "methods"), *method, *param;
	const char *name, *key;

	for (const struct jsonrpc_method *s = control_methods; s->name; s++)
		if (!json_object_get(methods, s->name))
			fail_msg("the schema lacks the method %s", s->name);
	json_object_foreach(methods, name, method) {
		const struct jsonrpc_method *s = server_has(name);
		json_t *params = json_object_get(resolved(json_object_get(method, "params")),
						 "properties");

		if (!s)
			fail_msg("the server lacks the method %s", name);
		for (const char *const *p = s->params; p && *p; p++)
			if (!json_object_get(params, *p))
				fail_msg("the schema lacks %s's parameter %s", name, *p);
		json_object_foreach(params, key, param)
			if (!takes(s, key))
				fail_msg("the server lacks %s's parameter %s", name, key);
	}
}

static void test_notifications_are_the_same(void **state)
{
	json_t *notes = json_object_get(schema, "notifications"), *note;
	const char *name;

	for (unsigned i = 0; i < CONTROL_EVENTS; i++)
		if (!control_event_names[i] || !json_object_get(notes, control_event_names[i]))
			fail_msg("the schema lacks the notification %s", control_event_names[i]);
	json_object_foreach(notes, name, note) {
		bool found = false;

		for (unsigned i = 0; i < CONTROL_EVENTS; i++)
			found |= strcmp(control_event_names[i], name) == 0;
		if (!found)
			fail_msg("the server lacks the notification %s", name);
	}
}

/* Else a member that the server says and nobody described would not be noticed. */
static void closed(const json_t *part, const char *name)
{
	const char *key;
	json_t *value;
	size_t i;

	if (json_object_get(part, "properties") && !json_object_get(part, "additionalProperties"))
		fail_msg("%s: an object of the schema takes any other member", name);
	if (json_is_object(part))
		json_object_foreach((json_t *)part, key, value)
			closed(value, name);
	json_array_foreach(part, i, value)
		closed(value, name);
}

static void test_nothing_in_it_is_open(void **state)
{
	json_t *part = json_object_get(schema, "$defs");
	const char *name;

	closed(json_object_get(part, "balloon"), "balloon");
	closed(json_object_get(part, "exits"), "exits");

	json_object_foreach(json_object_get(schema, "methods"), name, part)
		closed(part, name);
	json_object_foreach(json_object_get(schema, "notifications"), name, part)
		closed(part, name);
}

/* --- what the server says ---------------------------------------------------------------------------- */

static void test_answers_are_as_it_says(void **state)
{
	static const char *const reports[] = { "status", "stats", "interrupts", "balloon", "disk" };

	for (size_t i = 0; i < ARRAY_SIZE(reports); i++)
		assert_int_equal(ask(reports[i], NULL), 0);
	assert_int_equal(ask("interrupts", "{\"reattach\":true}"), 0);
	assert_int_equal(ask("balloon", "{\"give_back\":0}"), 0);
	assert_int_equal(ask("reset", NULL), 0);
	assert_int_equal(ask("resume", NULL), 0);
	assert_int_equal(ask("quit", "{}"), 0);
	m.paused = true;
	assert_int_equal(ask("status", NULL), 0);
	assert_int_equal(ask("pause", NULL), 0);
}

static void test_refusals_are_as_it_says(void **state)
{
	assert_int_equal(ask("explode", NULL), JSONRPC_METHOD_NOT_FOUND);
	for (const struct jsonrpc_method *s = control_methods; s->name; s++) {
		assert_int_equal(ask(s->name, "{\"explode\":1}"), JSONRPC_INVALID_PARAMS);
		assert_int_equal(ask(s->name, "[]"), JSONRPC_INVALID_PARAMS);
	}
	assert_int_equal(ask("balloon", "{\"give_back\":4096}"), JSONRPC_FAILED); /* a device */
	assert_int_equal(ask("disk", "{\"resized\":0}"), JSONRPC_FAILED);
	assert_int_equal(ask("nic", "{\"nic\":1,\"use\":\"primary\"}"), JSONRPC_INVALID_PARAMS);
	assert_int_equal(ask("detach", "{\"device\":\"0000:07:00.0\"}"), JSONRPC_FAILED);
	assert_int_equal(ask("attach", "{\"device\":\"0000:01:10.0\",\"group\":42}"), JSONRPC_FAILED);
	m.paused = true;
	assert_int_equal(ask("power_button", NULL), JSONRPC_FAILED);
	assert_int_equal(ask("nic", "{\"use\":\"primary\"}"), JSONRPC_FAILED);
	assert_int_equal(ask("detach", "{\"device\":\"0000:01:10.0\"}"), JSONRPC_FAILED);
	host.config.nics[0].standby = false;
	assert_int_equal(ask("nic", "{\"use\":\"primary\"}"), JSONRPC_FAILED);
	host.config.nic_count = 0;
	assert_int_equal(ask("nic", "{\"nic\":0,\"link\":\"up\"}"), JSONRPC_FAILED);
	assert_int_equal(ask("nic", NULL), 0);
	m.balloon = virtio_balloon_free(m.balloon);
	assert_int_equal(ask("balloon", NULL), JSONRPC_FAILED);
}

/* A parameter of another type than the schema's is refused, whatever the type. */
static void test_parameters_are_what_it_says(void **state)
{
	static const char *const odd[] = { "null", "[]", "{}", "\"\"", "1.5", "-1", "99999999999999999", "true" };
	json_t *method, *param;
	const char *name, *key;

	json_object_foreach(json_object_get(schema, "methods"), name, method) {
		json_t *params = json_object_get(json_object_get(method, "params"), "properties");

		json_object_foreach(params, key, param) {
			for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
				json_t *value = json_loads(odd[i], JSON_DECODE_ANY, NULL);
				char text[200];

				snprintf(text, sizeof(text), "{\"device\":\"0000:07:00.0\",\"group\":0,\"%s\":%s}",
					 key, odd[i]);
				if (strcmp(name, "attach") != 0 && strcmp(name, "detach") != 0)
					snprintf(text, sizeof(text), "{\"%s\":%s}", key, odd[i]);
				if (json_schema_check(schema, param, value, why, sizeof(why)) < 0 &&
				    ask(name, text) == 0)
					fail_msg("%s takes %s", name, text);
				json_decref(value);
			}
		}
	}
}

static void test_notifications_are_as_it_says(void **state)
{
	struct vmm_nic_state s = { .nic = 0, .report = true, .primary = true, .wanted = true,
				   .device = "0000:01:10.0", .cause = "acknowledged" };
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 7 };

	control_failover_told(&m, &s);
	s = (struct vmm_nic_state){ .nic = 0, .report = true, .cause = "pf-down", .detail = "its PF" };
	control_failover_told(&m, &s);
	control_net_mac_changed(&m, 0, mac);
	control_event(&m, CONTROL_DEVICE_RESET,
		      control_report_reset(&(struct vm_device_reset){ .device = "0000:01:10.0", .kind = "flr" }));
	control_alarm_panicked(&m, false);
	control_alarm_panicked(&m, true);
	control_alarm_watchdog(&m);
	assert_int_equal(noted, 7);
	assert_int_equal(notes_bad, 0);
}

/* --- it can fail ------------------------------------------------------------------------------------ */

static int answer_is(const char *method, const char *text)
{
	json_t *answer = json_loads(text, 0, NULL);
	int r;

	assert_non_null(answer);
	r = control_schema_answer(schema, method, answer, why, sizeof(why));
	json_decref(answer);
	return r;
}

#define ANSWER(result) "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":" result "}"
#define ERROR(error)   "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":" error "}"
#define BALLOON	       "\"memory_bytes\":1,\"asked\":0,"

static void test_what_is_not_in_it_is_found(void **state)
{
	static const struct {
		const char *method, *text, *why;
	} rows[] = {
		{ "pause", ANSWER("{}"), "$: it has another value" },
		{ "disk", ANSWER("{}"), "'disks' is missing" },
		{ "disk", ANSWER("{\"disks\":[],\"more\":1}"), "'more' is not known" },
		{ "disk", ANSWER("{\"disks\":[{\"serial\":7}]}"), "$.disks[0].serial: it is no string" },
		{ "disk", ANSWER("{\"disks\":1}"), "$.disks: it is no array" },
		{ "nic", ANSWER("{\"nics\":[{\"mac\":\"02:00\"}]}"), "$.nics[0].mac: '02:00' has another form" },
		{ "nic", ANSWER("{\"nics\":[{\"link\":\"out\"}]}"), "it is none of those that are possible" },
		{ "nic", ANSWER("{\"nics\":[{\"queues\":9}]}"), "9 is too large" },
		{ "nic", ANSWER("{\"nics\":[{\"failover\":{\"device\":1}}]}"), "as none of the schemas says" },
		{ "interrupts", ANSWER("{\"pid\":0}"), "0 is too small" },
		{ "explode", ANSWER("true"), "the method explode is not in the schema" },
		{ "pause", "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":true,\"more\":1}", "'more' is not known" },
		{ "pause", "{\"jsonrpc\":\"1.0\",\"id\":1,\"result\":true}", "$.jsonrpc" },
		{ "pause", ERROR("{\"code\":-32000,\"message\":\"x\",\"data\":{\"errno\":16}}"), "pause may not fail with EBUSY" },
		{ "nic", ERROR("{\"code\":-32000,\"message\":\"x\"}"), "nic may not fail with" },
		{ "nic", ERROR("{\"code\":-5,\"message\":\"x\"}"), "$.error.code" },
		{ "nic", ERROR("{\"code\":-32601,\"message\":\"\"}"), "the text is too short" },
		{ "nic", ERROR("{\"code\":-32601,\"message\":\"x\",\"data\":{\"errno\":16}}"), "data comes with another code" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (answer_is(rows[i].method, rows[i].text) == 0 || !strstr(why, rows[i].why))
			fail_msg("%s: '%s', not '%s'", rows[i].text, why, rows[i].why);
	assert_int_equal(answer_is("console", ERROR("{\"code\":-32000,\"message\":\"x\",\"data\":{\"errno\":24}}")), 0);
}

static void test_a_schema_of_other_words_is_found(void **state)
{
	json_t *other = json_loads("{\"multipleOf\":2}", 0, NULL), *round;

	assert_int_equal(json_schema_check(other, other, json_true(), why, sizeof(why)), -1);
	assert_non_null(strstr(why, "'multipleOf' is not checked"));
	json_decref(other);
	round = json_loads("{\"$ref\":\"#\"}", 0, NULL);
	assert_int_equal(json_schema_check(round, round, json_true(), why, sizeof(why)), -1);
	assert_non_null(strstr(why, "goes round"));
	json_decref(round);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_methods_and_their_parameters_are_the_same),
		cmocka_unit_test(test_notifications_are_the_same),
		cmocka_unit_test(test_nothing_in_it_is_open),
		T(test_answers_are_as_it_says),
		T(test_refusals_are_as_it_says),
		T(test_parameters_are_what_it_says),
		T(test_notifications_are_as_it_says),
		cmocka_unit_test(test_what_is_not_in_it_is_found),
		cmocka_unit_test(test_a_schema_of_other_words_is_found),
	};

	return cmocka_run_group_tests_name("control_schema", tests, load_schema, unload_schema);
}
