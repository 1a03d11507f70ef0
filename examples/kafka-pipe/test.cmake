example_test(kafka-pipe)
