/* SPDX-License-Identifier: Apache-2.0
 * Payload compression and the checksum.
 */
#include "store/pack_int.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void crc_has_the_known_values(void **state)
{
    (void)state;
    /* RFC 3720, B.4 */
    unsigned char bytes[32];
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, 32), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, 32), 0x62a8ab43);
    for (int i = 0; i < 32; i++)
        bytes[i] = (unsigned char)i;
    assert_int_equal(crc32c(0, bytes, 32), 0x46dd794e);
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
}

static void both_forms_of_crc_agree_and_go_on(void **state)
{
    (void)state;
    char bytes[1000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 31 + i / 7);
    for (size_t len = 0; len < sizeof bytes; len += 13) {
        uint32_t whole = crc32c(0, bytes, len);
        assert_int_equal(whole, crc32c_plain(0, bytes, len));
        assert_int_equal(whole, crc32c(crc32c(0, bytes, len / 3), bytes + len / 3, len - len / 3));
    }
}

static wf_str messages(unsigned n, const char *format)
{
    char *text = malloc(n * 120 + 1);
    size_t len = 0;
    for (unsigned i = 0; i < n; i++)
        len += (size_t)sprintf(text + len, format, i * 2654435761u, i, i * 40503u * 977u,
                               i * 69069u + 1);
    return (wf_str){ text, len };
}

static void check_round_trip(struct packer *p, wf_str in, wf_str out)
{
    struct arena a;
    arena_init(&a, NULL, 0);
    wf_str packed = pack(p, in, out), in_back, out_back;
    assert_true(packed.len <= in.len + out.len);
    assert_int_equal(unpack(&a, packed, in.len, out.len, &in_back, &out_back), 0);
    assert_int_equal(in_back.len, in.len);
    assert_int_equal(out_back.len, out.len);
    assert_memory_equal(in_back.ptr, in.ptr, in.len);
    assert_memory_equal(out_back.ptr, out.ptr, out.len);
    arena_fini(&a);
}

static void payloads_come_back(void **state)
{
    (void)state;
    struct packer p = { 0 };
    wf_str in = messages(2000, "{\"id\":\"%08x\",\"n\":%u,\"from\":\"+%u\",\"to\":\"+%u\"}");
    wf_str out =
        messages(2000, "{\"id\":\"%08x\",\"n\":%u,\"from\":\"+%u\",\"to\":\"+%u\",\"price\":12}");
    const size_t sizes[] = { 0, 1, 100, 16383, 16384, 16385, 40000 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++)
            check_round_trip(&p, (wf_str){ in.ptr, sizes[i] }, (wf_str){ out.ptr, sizes[j] });
    check_round_trip(&p, in, out);
    packer_fini(&p);
    free((char *)in.ptr);
    free((char *)out.ptr);
}

/* The reason for weaving: an output costs little beside its input. */
static void outputs_like_their_inputs_cost_little(void **state)
{
    (void)state;
    struct packer p = { 0 };
    wf_str in = messages(2000, "{\"id\":\"%08x\",\"n\":%u,\"from\":\"+%u\",\"to\":\"+%u\"}");
    wf_str out =
        messages(2000, "{\"id\":\"%08x\",\"n\":%u,\"from\":\"+%u\",\"to\":\"+%u\",\"price\":12}");
    size_t alone = pack(&p, in, (wf_str){ 0 }).len, both = pack(&p, in, out).len;
    assert_true(both < alone + alone / 2);
    packer_fini(&p);
    free((char *)in.ptr);
    free((char *)out.ptr);
}

static void noise_stays_as_it_is(void **state)
{
    (void)state;
    struct packer p = { 0 };
    char noise[5000];
    uint32_t x = 12345;
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (char)((x = x * 1664525 + 1013904223) >> 24);
    wf_str in = { noise, 2000 }, out = { noise + 2000, 3000 };
    assert_int_equal(pack(&p, in, out).len, 5000);
    check_round_trip(&p, in, out);
    packer_fini(&p);
}

static void broken_payloads_are_refused(void **state)
{
    (void)state;
    struct packer p = { 0 };
    struct arena a;
    arena_init(&a, NULL, 0);
    wf_str in = messages(500, "{\"id\":\"%08x\",\"n\":%u,\"from\":%u,\"to\":%u}"), back[2];
    wf_str packed = pack(&p, in, (wf_str){ 0 });
    for (size_t cut = 1; cut < 50; cut++)
        assert_int_equal(
            unpack(&a, (wf_str){ packed.ptr, packed.len - cut }, in.len, 0, &back[0], &back[1]),
            -1);
    assert_int_equal(unpack(&a, packed, in.len - 1, 0, &back[0], &back[1]), -1);
    assert_int_equal(unpack(&a, packed, in.len + 1, 0, &back[0], &back[1]), -1);
    assert_int_equal(unpack(&a, packed, packed.len - 1, 0, &back[0], &back[1]), -1);
    char *flipped = malloc(packed.len);
    for (size_t i = 0; i < packed.len;
         i += 7) { /* may give other bytes, never touches foreign ones */
        memcpy(flipped, packed.ptr, packed.len);
        flipped[i] = (char)(flipped[i] ^ 0xff);
        unpack(&a, (wf_str){ flipped, packed.len }, in.len, 0, &back[0], &back[1]);
    }
    free(flipped);
    arena_fini(&a);
    packer_fini(&p);
    free((char *)in.ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc_has_the_known_values),
        cmocka_unit_test(both_forms_of_crc_agree_and_go_on),
        cmocka_unit_test(payloads_come_back),
        cmocka_unit_test(outputs_like_their_inputs_cost_little),
        cmocka_unit_test(noise_stays_as_it_is),
        cmocka_unit_test(broken_payloads_are_refused),
    };
    return cmocka_run_group_tests_name("store.pack", tests, NULL, NULL);
}
