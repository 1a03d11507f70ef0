/* SPDX-License-Identifier: Apache-2.0
 * Settings handed to librdkafka: the engine's connection, then a trigger's own, checked one by one
 * so that a wrong one is named. librdkafka's log lines become ours.
 */
#include "trigger/kafka_int.h"
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

rd_kafka_conf_t *kafka_conf_create(const struct kafka_settings *settings, const char *client,
                                   struct err *err)
{
    if (!settings->brokers) {
        err_set(err, ERR_INVALID,
                "kafka: no brokers are configured; set --kafka HOST:PORT (or --kafka embedded)");
        return NULL;
    }
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, on_log);
    if (kafka_conf_set(conf, "bootstrap.servers", settings->brokers, err) != 0 ||
        kafka_conf_set(conf, "client.id", client, err) != 0 ||
        kafka_conf_set(conf, "log.connection.close", "false", err) != 0)
        goto fail;
    for (size_t i = 0; i < settings->n_properties; i++)
        if (kafka_conf_set(conf, settings->properties[i].name, settings->properties[i].value,
                           err) != 0)
            goto fail;
    return conf;
fail:
    rd_kafka_conf_destroy(conf);
    return NULL;
}
