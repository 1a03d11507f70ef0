/* SPDX-License-Identifier: Apache-2.0
 * http_parser.h beside http.h: both have an enum http_method with the same names, so the library's
 * become PARSER_GET and so on. Nobody else includes http_parser.h.
 */
#ifndef CATALYST_HTTP_PARSER_INT_H
#define CATALYST_HTTP_PARSER_INT_H
#define http_method  parser_method
#define HTTP_GET     PARSER_GET
#define HTTP_HEAD    PARSER_HEAD
#define HTTP_POST    PARSER_POST
#define HTTP_PUT     PARSER_PUT
#define HTTP_PATCH   PARSER_PATCH
#define HTTP_DELETE  PARSER_DELETE
#define HTTP_OPTIONS PARSER_OPTIONS
#include <http_parser.h>
#undef http_method
#undef HTTP_GET
#undef HTTP_HEAD
#undef HTTP_POST
#undef HTTP_PUT
#undef HTTP_PATCH
#undef HTTP_DELETE
#undef HTTP_OPTIONS
#endif
