example_test(schedule)
