/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes what outsiders send to be let in: signatures, times and tokens. A line each for the
 * signature, the time, the id; what is left is the body.
 *
 * Beyond not crashing: nobody who does not know the secret gets in.
 */
#include "http/sign.h"
#include "base/err.h"
#include "base/str.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static wf_str line(const char **at, const char *end)
{
    const char *stop = memchr(*at, '\n', (size_t)(end - *at));
    wf_str text = { *at, (size_t)((stop ? stop : end) - *at) };
    *at = stop ? stop + 1 : end;
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char secrets[] =
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw whsec_AAECAwQFBgcICQoLDA0O";
    const char *at = (const char *)data, *end = at + size;
    wf_str secret = str_of(secrets), given = line(&at, end), when = line(&at, end);
    wf_str id = line(&at, end), body = { at, (size_t)(end - at) }, payload;
    struct arena a;
    struct err err;
    int64_t ms = -1;
    arena_init(&a, NULL, 0);
    BUG_IF(sign_parse_time(when, &ms) && ms < 0);
    BUG_IF(sign_check_hmac(secret, when, body, given));
    BUG_IF(sign_check_slack(secret, when, body, given));
    BUG_IF(sign_check_standard(secret, id, when, body, given));
    BUG_IF(sign_check_jwt(&a, given, secret, "HS256", 1700000000, &payload, &err) == 0);
    arena_fini(&a);
    return 0;
}
