/* SPDX-License-Identifier: Apache-2.0
 * Names of methods, statuses and reject reasons. Pure tables; any thread.
 */
#include "http/http.h"

const char *http_method_name(enum http_method method)
{
    static const char *const names[] = { "",
#define X(name) #name,
                                         HTTP_METHODS(X)
#undef X
    };
    return (unsigned)method < HTTP_METHOD_COUNT ? names[method] : "";
}

enum http_method http_method_parse(wf_str name)
{
    for (enum http_method m = HTTP_NONE + 1; m < HTTP_METHOD_COUNT; m++)
        if (str_eq(name, str_of(http_method_name(m))))
            return m;
    return HTTP_NONE;
}

#define STATUSES(X)                                                                                \
    X(200, "OK")                                                                                   \
    X(201, "Created")                                                                              \
    X(202, "Accepted")                                                                             \
    X(203, "Non-Authoritative Information")                                                        \
    X(204, "No Content")                                                                           \
    X(206, "Partial Content")                                                                      \
    X(301, "Moved Permanently")                                                                    \
    X(302, "Found")                                                                                \
    X(303, "See Other")                                                                            \
    X(304, "Not Modified")                                                                         \
    X(307, "Temporary Redirect")                                                                   \
    X(308, "Permanent Redirect")                                                                   \
    X(400, "Bad Request")                                                                          \
    X(401, "Unauthorized")                                                                         \
    X(402, "Payment Required")                                                                     \
    X(403, "Forbidden")                                                                            \
    X(404, "Not Found")                                                                            \
    X(405, "Method Not Allowed")                                                                   \
    X(406, "Not Acceptable")                                                                       \
    X(408, "Request Timeout")                                                                      \
    X(409, "Conflict")                                                                             \
    X(410, "Gone")                                                                                 \
    X(411, "Length Required")                                                                      \
    X(412, "Precondition Failed")                                                                  \
    X(413, "Content Too Large")                                                                    \
    X(414, "URI Too Long")                                                                         \
    X(415, "Unsupported Media Type")                                                               \
    X(417, "Expectation Failed")                                                                   \
    X(422, "Unprocessable Content")                                                                \
    X(423, "Locked")                                                                               \
    X(425, "Too Early")                                                                            \
    X(428, "Precondition Required")                                                                \
    X(429, "Too Many Requests")                                                                    \
    X(431, "Request Header Fields Too Large")                                                      \
    X(500, "Internal Server Error")                                                                \
    X(501, "Not Implemented")                                                                      \
    X(502, "Bad Gateway")                                                                          \
    X(503, "Service Unavailable")                                                                  \
    X(504, "Gateway Timeout")                                                                      \
    X(505, "HTTP Version Not Supported")                                                           \
    X(507, "Insufficient Storage")

const char *http_status_text(int status)
{
    switch (status) {
#define X(code, text)                                                                              \
    case code:                                                                                     \
        return text;
        STATUSES(X)
#undef X
    default:
        return "Unknown";
    }
}

const char *http_reject_name(enum http_reject reject)
{
    static const char *const names[] = {
        [HTTP_REJECT_NONE] = "none",
        [HTTP_REJECT_MALFORMED] = "malformed",
        [HTTP_REJECT_TIMEOUT] = "timeout",
        [HTTP_REJECT_BODY] = "body",
        [HTTP_REJECT_TARGET] = "target",
        [HTTP_REJECT_EXPECT] = "expect",
        [HTTP_REJECT_HEADERS] = "headers",
        [HTTP_REJECT_REFUSED] = "refused",
        [HTTP_REJECT_METHOD] = "method",
        [HTTP_REJECT_CODING] = "coding",
        [HTTP_REJECT_CONNECTIONS] = "connections",
        [HTTP_REJECT_VERSION] = "version",
    };
    _Static_assert(sizeof names / sizeof *names == HTTP_REJECT_COUNT, "a name for each");
    return (unsigned)reject < HTTP_REJECT_COUNT ? names[reject] : "none";
}

wf_str http_request_header(const struct http_request *req, const char *name)
{
    size_t len = strlen(name);
    for (unsigned i = 0; i < req->n_headers; i++)
        if (req->headers[i].name.len == len && !memcmp(req->headers[i].name.ptr, name, len))
            return req->headers[i].value;
    return (wf_str){ NULL, 0 };
}
