/* SPDX-License-Identifier: Apache-2.0
 * invoice: the charges of a calendar month of the tenant's zone, by accept time, as lines.
 */
#include "billing_int.h"
void invoice_start(struct account_job *job, wf_item *it)
{
    account_refuse(job, it, "bad_message", "");
}
