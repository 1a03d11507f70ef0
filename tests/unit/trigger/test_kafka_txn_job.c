/* SPDX-License-Identifier: Apache-2.0
 * The calls of a transaction against librdkafka's mock cluster, which answers with the errors a
 * broker has: what is committed, aborted, refused as stale, or given up.
 */
#include "trigger/kafka_int.h"
#include <librdkafka/rdkafka_mock.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { TXN_OFFSET_COMMIT = 28, END_TXN = 26, INIT_PRODUCER_ID = 22 };

struct fixture {
    rd_kafka_t *host;
    rd_kafka_mock_cluster_t *cluster;
    struct kafka_generation generation;
    struct kafka_txn_group group;
    struct kafka_txn_job job;
};

static rd_kafka_t *producer(struct fixture *f, const char *id)
{
    char why[200];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(f->cluster), why,
                      sizeof why);
    rd_kafka_conf_set(conf, "transactional.id", id, why, sizeof why);
    rd_kafka_conf_set(conf, "transaction.timeout.ms", "8000", why, sizeof why);
    rd_kafka_conf_set(conf, "log_level", "0", why, sizeof why);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    assert_non_null(rk);
    return rk;
}

static int setup(void **state)
{
    char why[200];
    struct fixture *f = xcalloc(1, sizeof *f);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", why, sizeof why);
    f->host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    f->cluster = rd_kafka_mock_cluster_new(f->host, 1);
    rd_kafka_mock_topic_create(f->cluster, "in", 2, 1);
    rd_kafka_mock_topic_create(f->cluster, "out", 2, 1);
    f->generation.metadata = rd_kafka_consumer_group_metadata_new("g");
    f->group.generation = &f->generation;
    f->group.offsets = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(f->group.offsets, "in", 0)->offset = 5;
    f->job = (struct kafka_txn_job){
        .rk = producer(f, "t"), .opening = true, .groups = &f->group, .n_groups = 1
    };
    kafka_txn_job_run(&f->job);
    assert_int_equal(f->job.result, KAFKA_TXN_OPENED);
    f->job.opening = false;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    rd_kafka_destroy(f->job.rk);
    rd_kafka_topic_partition_list_destroy(f->group.offsets);
    rd_kafka_consumer_group_metadata_destroy(f->generation.metadata);
    rd_kafka_mock_cluster_destroy(f->cluster);
    rd_kafka_destroy(f->host);
    free(f);
    return 0;
}

static enum kafka_txn_result end(struct fixture *f)
{
    static char body[] = "x";
    rd_kafka_vu_t message[] = {
        { .vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = "out" },
        { .vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = { body, 1 } },
    };
    assert_null(rd_kafka_produceva(f->job.rk, message, 2));
    kafka_txn_job_run(&f->job);
    return f->job.result;
}

static void test_commits_again_and_again(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(end(f), KAFKA_TXN_COMMITTED);
}

static void test_abort_when_asked(void **state)
{
    struct fixture *f = *state;
    f->job.abort = true;
    assert_int_equal(end(f), KAFKA_TXN_ABORTED);
    f->job.abort = false;
    assert_int_equal(end(f), KAFKA_TXN_COMMITTED);
}

static void test_generation_that_is_over(void **state)
{
    struct fixture *f = *state;
    static const rd_kafka_resp_err_t codes[] = { RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION,
                                                 RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
                                                 RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        rd_kafka_mock_push_request_errors(f->cluster, TXN_OFFSET_COMMIT, 1, codes[i]);
        assert_int_equal(end(f), KAFKA_TXN_STALE);
        assert_int_equal(f->job.stale, 0);
        assert_non_null(strstr(f->job.why, "offsets"));
    }
    assert_int_equal(end(f), KAFKA_TXN_COMMITTED); /* the next is begun */
}

static void test_weather_is_waited_out(void **state)
{
    struct fixture *f = *state;
    rd_kafka_mock_push_request_errors(f->cluster, TXN_OFFSET_COMMIT, 2,
                                      RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
                                      RD_KAFKA_RESP_ERR_NOT_COORDINATOR);
    rd_kafka_mock_push_request_errors(f->cluster, END_TXN, 1,
                                      RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE);
    assert_int_equal(end(f), KAFKA_TXN_COMMITTED);
}

static void test_fenced_producer_is_given_up(void **state)
{
    struct fixture *f = *state;
    rd_kafka_mock_push_request_errors(f->cluster, END_TXN, 1, RD_KAFKA_RESP_ERR_PRODUCER_FENCED);
    assert_int_equal(end(f), KAFKA_TXN_BROKEN);
    f->job.broken = f->job.rk;
    f->job.rk = producer(f, "t");
    f->job.opening = true;
    kafka_txn_job_run(&f->job);
    assert_int_equal(f->job.result, KAFKA_TXN_OPENED);
    assert_null(f->job.broken);
    f->job.opening = false;
    assert_int_equal(end(f), KAFKA_TXN_COMMITTED);
}

static void test_a_client_that_may_not(void **state)
{
    struct fixture *f = *state;
    struct kafka_txn_job job = { .rk = producer(f, "u"), .opening = true };
    rd_kafka_mock_push_request_errors(f->cluster, INIT_PRODUCER_ID, 1,
                                      RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    kafka_txn_job_run(&job);
    assert_int_equal(job.result, KAFKA_TXN_BROKEN);
    assert_non_null(strstr(job.why, "init"));
    rd_kafka_destroy(job.rk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_commits_again_and_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_abort_when_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_generation_that_is_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_weather_is_waited_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fenced_producer_is_given_up, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_client_that_may_not, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
