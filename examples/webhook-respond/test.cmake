example_test(webhook-respond)
