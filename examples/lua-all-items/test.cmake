example_test(lua-all-items)
