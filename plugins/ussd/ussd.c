/* SPDX-License-Identifier: Apache-2.0
 * USSD: sessions of a few hops, each an execution. The nodes know gateways, menus and the size of a
 * screen; where a session's state lives is the workflow's business, mostly Redis under
 * session:<id>:data (workflow ussd-menu).
 */
#include "ussd_int.h"

static const wf_node nodes[] = {
    { .type = "catalyst.ussdHop",
      .help = "Read a hop of a USSD session, from HTTP gateways or SMPP",
      .ports = hop_ports,
      .params = hop_params,
      .config_size = sizeof(struct hop_config),
      .process = hop_process,
      .metrics = hop_metrics,
      .group = "channel",
      .docs = hop_docs },
    { .type = "catalyst.ussdMenu",
      .help = "Walk through the screens of a USSD menu",
      .ports = menu_ports,
      .params = menu_params,
      .config_size = sizeof(struct menu_config),
      .process = menu_process,
      .metrics = menu_metrics,
      .check = menu_check,
      .group = "channel",
      .docs = menu_docs },
    { .type = "catalyst.ussdReply",
      .help = "Make the answer to a hop, no longer than a screen",
      .ports = reply_ports,
      .params = reply_params,
      .config_size = sizeof(struct reply_config),
      .process = reply_process,
      .metrics = reply_metrics,
      .group = "channel",
      .docs = reply_docs },
};

WF_PLUGIN("ussd", "1.0.0", nodes);
