/* SPDX-License-Identifier: Apache-2.0
 * What the files of the HTTP request plugin share: the config, and the steps from item to request
 * to outputs.
 */
#ifndef PLUGIN_HTTP_REQUEST_INT_H
#define PLUGIN_HTTP_REQUEST_INT_H
#include <catalyst/plugin.h>
#include <string.h>

enum {
    METHOD_GET,
    METHOD_POST,
    METHOD_PUT,
    METHOD_PATCH,
    METHOD_DELETE,
    METHOD_HEAD,
    METHOD_OPTIONS
};
enum { SPECIFY_PAIRS, SPECIFY_JSON, SPECIFY_TEXT };
enum { BODY_JSON, BODY_FORM, BODY_MULTIPART, BODY_RAW, BODY_BINARY };
enum { FORMAT_AUTO, FORMAT_JSON, FORMAT_TEXT, FORMAT_FILE };
enum { PAGES_OFF, PAGES_NEXT_URL, PAGES_NUMBER };

struct pair {
    wf_str name;
    const wf_value *value;
};

struct body_part {
    wf_str name, part; /* part: of the item, for a file */
    const wf_value *value;
    int is_file;
};

struct config {
    int method, auth, auth_type;
    wf_str url;
    const wf_cred *credential;
    int send_query, specify_query, send_headers, specify_headers, send_body, content, specify_body;
    wf_list query, headers; /* struct pair */
    wf_list fields;         /* struct body_part */
    const wf_value *json_query, *json_headers, *json_body;
    wf_str raw_body, raw_type, input_part;
    int64_t timeout_ms, max_redirects, max_bytes;
    int follow, full, never_error, format, insecure;
    wf_str output_name, proxy, idempotency_header;
    int pages;
    wf_str next_path, page_name, items_path;
    int64_t page_start, max_requests;
};

/* A request under construction; memory is the item's. */
struct call {
    const wf_host *h;
    wf_item *it;
    const struct config *c;
    char *text; /* what is being written */
    size_t len, size;
    wf_pair headers[66];
    size_t n_headers;
    wf_request request;
    const char *error; /* why there can be no request */
};

extern const char *const http_methods[];

/* Writing into call->text. */
void text_add(struct call *call, const char *ptr, size_t len);
void text_encode(struct call *call, wf_str s);

/* Fills call->request. `url` NULL: that of the config with its query; `page`: the page's number
 * when pages are numbered. -1: call->error. */
int request_build(struct call *call, const char *url, int64_t page);
int body_build(struct call *call);
void header_add(struct call *call, wf_str name, wf_str value);
int header_is_there(const struct call *call, const char *name);
/* A body parameter as JSON: text that is JSON is parsed. NULL: call->error. */
const wf_value *json_given(struct call *call, const wf_value *value, const char *what);

/* Pushes what the answer holds; returns how many outputs, or -1 when the item was failed. */
int reply_push(const wf_host *h, wf_item *it, const wf_reply *r, const wf_value **parsed);
/* Fails the item unless the answer is a good one. */
int reply_refuse(const wf_host *h, wf_item *it, const wf_reply *r);
void fail_rejected(const wf_host *h, wf_item *it, const char *code, const char *why);

#endif
