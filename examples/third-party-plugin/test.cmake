example_test(third-party-plugin)
