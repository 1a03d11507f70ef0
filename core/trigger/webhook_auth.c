/* SPDX-License-Identifier: Apache-2.0
 * Authentication of webhook requests: user and password, a header with a secret, a signature over
 * the body, a JSON Web Token. Secrets are compared in constant time. Thread: the worker's.
 */
#include "trigger/trigger_int.h"
#include "base/base64.h"
#include "base/clock.h"
#include "http/http.h"
#include "http/sign.h"
#include "plugin/cred.h"
#include <catalyst/triggers.h>
#include <string.h>
#include <strings.h>

static bool check_basic(const struct wf_cred *cred, struct http_request *req, struct arena *a)
{
    wf_str header = http_request_header(req, "authorization"), given;
    if (header.len < 6 || strncasecmp(header.ptr, "Basic ", 6) != 0)
        return false;
    if (!base64_decode(a, header.ptr + 6, header.len - 6, &given))
        return false;
    wf_str want =
        arena_printf(a, "%s:%s", cred_get(cred, "user").ptr, cred_get(cred, "password").ptr);
    return str_eq_secret(given, want);
}

static bool check_header(const struct wf_cred *cred, struct http_request *req, struct arena *a)
{
    char *name = arena_strdup(a, cred_get(cred, "name").ptr);
    for (char *p = name; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + 32);
    wf_str given = http_request_header(req, name);
    return given.ptr && str_eq_secret(given, cred_get(cred, "value"));
}

wf_str webhook_header(struct http_request *req, wf_str name, const char *otherwise, struct arena *a)
{
    char *lower = arena_strdup(a, name.len ? name.ptr : otherwise);
    for (char *p = lower; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + 32);
    return http_request_header(req, lower);
}

/* The time that was signed, or empty when it is none or too far away. */
static wf_str fresh_time(const struct wf_webhook_trigger *c, struct http_request *req, wf_str name,
                         struct arena *a)
{
    int64_t ms, now = clock_wall_us() / 1000;
    int64_t grace = c->hmac_tolerance_ms ? c->hmac_tolerance_ms : 300000;
    wf_str text = webhook_header(req, name, "", a);
    if (!sign_parse_time(text, &ms) || ms > now + grace || ms < now - grace)
        return (wf_str){ "", 0 };
    return text;
}

/* The header that `options` name, or that of the form. */
static wf_str header_of(wf_str given, const char *forms)
{
    return given.len && strcmp(given.ptr, "x-signature") != 0 ? given : str_of(forms);
}

static bool check_formed(const struct wf_webhook_trigger *c, struct http_request *req,
                         struct arena *a)
{
    bool is_slack = c->hmac_form == WF_WEBHOOK_HMAC_SLACK;
    wf_str secret = cred_get(c->credential, "secret");
    wf_str name = header_of(c->hmac_header, is_slack ? "x-slack-signature" : "webhook-signature");
    wf_str when = header_of(c->hmac_timestamp_header,
                            is_slack ? "x-slack-request-timestamp" : "webhook-timestamp");
    wf_str given = webhook_header(req, name, "", a), timestamp = fresh_time(c, req, when, a);
    wf_str id = webhook_header(req, str_of("webhook-id"), "", a);
    if (!given.len || !timestamp.len || (!is_slack && !id.len))
        return false;
    return is_slack ? sign_check_slack(secret, timestamp, req->body, given)
                    : sign_check_standard(secret, id, timestamp, req->body, given);
}

static bool check_hmac(const struct wf_webhook_trigger *c, struct http_request *req,
                       struct arena *a)
{
    wf_str given = webhook_header(req, c->hmac_header, "x-signature", a), timestamp = { "", 0 };
    if (c->hmac_form != WF_WEBHOOK_HMAC_BODY)
        return check_formed(c, req, a);
    if (!given.len)
        return false;
    if (c->hmac_timestamp_header.len &&
        !(timestamp = fresh_time(c, req, c->hmac_timestamp_header, a)).len)
        return false;
    return sign_check_hmac(cred_get(c->credential, "secret"), timestamp, req->body, given);
}

static bool check_jwt(const struct wf_webhook_trigger *c, struct http_request *req, struct arena *a,
                      const char **token)
{
    const struct wf_cred *cred = c->credential;
    wf_str header = http_request_header(req, "authorization"), payload;
    if (header.len < 7 || strncasecmp(header.ptr, "Bearer ", 7) != 0)
        return false;
    wf_str key =
        cred_get(cred, "secret").len ? cred_get(cred, "secret") : cred_get(cred, "publicKey");
    wf_str algorithm = cred_get(cred, "algorithm");
    struct err err;
    if (sign_check_jwt(a, (wf_str){ header.ptr + 7, header.len - 7 }, key,
                       algorithm.len ? algorithm.ptr : "HS256", clock_wall_us() / 1000000, &payload,
                       &err) != 0)
        return false;
    *token = payload.ptr;
    return true;
}

bool webhook_may_call(const struct wf_webhook_trigger *c, struct http_request *req, struct arena *a,
                      const char **token)
{
    switch (c->auth) {
    case WF_WEBHOOK_NO_AUTH:
        return true;
    case WF_WEBHOOK_BASIC:
        return c->credential && check_basic(c->credential, req, a);
    case WF_WEBHOOK_HEADER:
        return c->credential && check_header(c->credential, req, a);
    case WF_WEBHOOK_HMAC:
        return c->credential && check_hmac(c, req, a);
    case WF_WEBHOOK_JWT:
        return c->credential && check_jwt(c, req, a, token);
    default:
        return false;
    }
}
