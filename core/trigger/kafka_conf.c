/* SPDX-License-Identifier: Apache-2.0
 * Settings handed to librdkafka: the engine's connection, then a trigger's own, checked one by one
 * so that a wrong one is named. librdkafka's log lines become ours.
 */
#include "trigger/kafka_int.h"
#include "plugin/cred.h"
#include "base/log.h"
#include <string.h>

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    enum log_level to = level <= 3   ? LOG_ERROR
                        : level == 4 ? LOG_WARN
                        : level <= 6 ? LOG_INFO
                                     : LOG_DEBUG;
    log_line(to, "kafka", facility, "%s: %s", rk ? rd_kafka_name(rk) : "", text);
}

bool kafka_any_broker_up(const char *json) { return strstr(json, "\"state\":\"UP\"") != NULL; }

int kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, struct err *err)
{
    char why[256];
    if (strstr(name, "password") || strstr(name, "secret"))
        log_hide(str_of(value));
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) == RD_KAFKA_CONF_OK)
        return 0;
    return err_set(err, ERR_INVALID, "kafka: property '%s': %s", name, why);
}

static bool has_brokers(const struct wf_cred *cred) { return cred_get(cred, "brokers").len > 0; }

rd_kafka_conf_t *kafka_conf_create(const struct kafka_settings *settings,
                                   const struct wf_cred *cred, const char *client, struct err *err)
{
    const char *brokers = has_brokers(cred) ? cred_get(cred, "brokers").ptr : settings->brokers;
    if (!brokers) {
        err_set(err, ERR_INVALID,
                "kafka: no brokers are configured; set --kafka HOST:PORT (or --kafka embedded)");
        return NULL;
    }
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, on_log);
    if (kafka_conf_set(conf, "bootstrap.servers", brokers, err) == 0 &&
        kafka_conf_set(conf, "client.id", client, err) == 0 &&
        kafka_conf_set(conf, "log.connection.close", "false", err) == 0)
        return conf;
    rd_kafka_conf_destroy(conf);
    return NULL;
}

/* Login and TLS of the settings are the business of the settings' brokers. */
static bool is_of_cluster(const char *name)
{
    return !strncmp(name, "sasl.", 5) || !strncmp(name, "ssl.", 4) ||
           !strncmp(name, "security.", 9) || !strncmp(name, "enable.ssl.", 11) ||
           !strcmp(name, "bootstrap.servers") || !strcmp(name, "metadata.broker.list");
}

static int set_credential(rd_kafka_conf_t *conf, const struct wf_cred *cred, struct err *err)
{
    static const char *const names[][2] = {
        { "user", "sasl.username" },       { "password", "sasl.password" },
        { "mechanism", "sasl.mechanism" }, { "protocol", "security.protocol" },
        { "caFile", "ssl.ca.location" },   { "certFile", "ssl.certificate.location" },
        { "keyFile", "ssl.key.location" }, { "keyPassword", "ssl.key.password" }
    };
    bool sasl = !strncmp(cred_get(cred, "protocol").ptr, "sasl", 4);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        wf_str value = cred_get(cred, names[i][0]);
        if (!sasl && !strcmp(names[i][0], "mechanism"))
            continue; /* it has a default */
        if (value.len && kafka_conf_set(conf, names[i][1], value.ptr, err) != 0)
            return -1;
    }
    if (str_eq(cred_get(cred, "disableTlsVerification"), STR("true")))
        return kafka_conf_set(conf, "enable.ssl.certificate.verification", "false", err);
    return 0;
}

int kafka_conf_connect(rd_kafka_conf_t *conf, const struct kafka_settings *settings,
                       const struct wf_cred *cred, struct err *err)
{
    const struct kafka_property *p = settings->properties;
    for (size_t i = 0; i < settings->n_properties; i++)
        if (!(has_brokers(cred) && is_of_cluster(p[i].name)) &&
            kafka_conf_set(conf, p[i].name, p[i].value, err) != 0)
            return -1;
    return cred ? set_credential(conf, cred, err) : 0;
}
