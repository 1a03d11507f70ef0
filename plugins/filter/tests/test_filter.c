/* SPDX-License-Identifier: Apache-2.0
 * catalyst.filter: what stays and what goes. The conditions themselves are tested with catalyst.if.
 */
#include "../filter.c"
#include "fake_cases.h"

#define PARAMS                                                                                     \
    "{\"conditions\":{\"conditions\":[{\"leftValue\":\"={{ $json.n "                               \
    "}}\",\"rightValue\":2,\"operator\":"                                                          \
    "{\"type\":\"number\",\"operation\":\"gte\"}}]}}"

static const struct fake_case cases[] = {
    { "keeps what holds, in order",
      PARAMS,
      { "[{\"n\":3},{\"n\":1},{\"n\":2,\"x\":{}}]" },
      { "[{\"n\":3},{\"n\":2,\"x\":{}}]" } },
    { "keeps nothing", PARAMS, { "[{\"n\":0},{}]" } },
    { "a bad item fails alone",
      PARAMS,
      { "[{\"n\":3},{\"n\":\"3\"}]" },
      { "[{\"n\":3}]" },
      .fails = "expected a number",
      .code = "wrong_type" },
    { "refused",
      "{\"conditions\":{\"conditions\":[{\"operator\":{\"type\":\"boolean\",\"operation\":\"gt\"}}]"
      "}}",
      .refused = "type 'boolean' has no operation 'gt'" },
};

int main(void) { return FAKE_CASES_RUN(&wf_plugin_entry, "catalyst.filter", cases); }
