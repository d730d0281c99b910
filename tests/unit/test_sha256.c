// SPDX-License-Identifier: GPL-2.0-or-later
/* SHA-256 against FIPS 180-4's examples, and what is derived with it. */
#include "base/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/fd.h"
#include "sriov/vf_mac.h"

static void is_digest(const void *data, size_t len, const char *hex)
{
	uint8_t digest[SHA256_SIZE];
	char text[2 * SHA256_SIZE + 1];

	sha256(data, len, digest);
	for (unsigned i = 0; i < SHA256_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
	assert_string_equal(text, hex);
}

static void test_digests_at_every_kind_of_end(void **state)
{
	char zeros[119];

	memset(zeros, '0', sizeof(zeros));
	is_digest("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	is_digest("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	is_digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
		  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	/* sha256sum's */
	is_digest(zeros, 56, "bd03ac1428f0ea86f4b83a731ffc7967bb82866d8545322f888d2f6e857ffc18");
	is_digest(zeros, 119, "c4487f9d6420e35698f9d9b4952e0a9f4735b0ce1729cdc68672ff30f20c6af2");
}

/* If this fails, guests everywhere get other MACs than they had: it must not be "fixed" here. */
static void test_a_stable_mac_is_what_it_has_always_been(void **state)
{
	/* printf 'thruway-vf-mac-1 52:54:00:00:00:01 3' | sha256sum: e06e7c88e066… */
	static const uint8_t expected[6] = { 0xe2, 0x6e, 0x7c, 0x88, 0xe0, 0x66 };
	uint8_t mac[6], other[6];

	vf_mac_stable("52:54:00:00:00:01", 3, mac);
	assert_memory_equal(mac, expected, 6);
	for (unsigned i = 0; i < 256; i++) {
		vf_mac_stable("52:54:00:00:00:01", i, other);
		assert_int_equal(other[0] & 3, 2);
		assert_true(i == 3 || memcmp(other, mac, 6) != 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_digests_at_every_kind_of_end),
		cmocka_unit_test(test_a_stable_mac_is_what_it_has_always_been),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
