# vectorscan matches content rules, libpsl knows which part of a host is registered.
pkg_check_modules(libhs REQUIRED IMPORTED_TARGET libhs)
pkg_check_modules(libpsl REQUIRED IMPORTED_TARGET libpsl)
target_link_libraries(${plugin} PRIVATE PkgConfig::libhs PkgConfig::libpsl)
# Lists of numbers may come from Redis, by TLS.
pkg_check_modules(hiredis REQUIRED IMPORTED_TARGET hiredis)
pkg_check_modules(openssl REQUIRED IMPORTED_TARGET openssl)
find_package(Threads REQUIRED)
target_link_libraries(${plugin} PRIVATE PkgConfig::hiredis PkgConfig::openssl Threads::Threads)

# The model that is built in, and its trainer.
set(model ${folder}/model.bin)
target_compile_definitions(${plugin} PRIVATE FIREWALL_MODEL="${model}")
set_source_files_properties(${folder}/model_shipped.c PROPERTIES OBJECT_DEPENDS ${model})
# The content stages by themselves: for the trainer, and, as a room is, for content_bench and
# fuzz_content.
set(content confusables model model_shipped normalise normalise_ascii normalise_tricks near
    pattern_cache pattern_text patterns punycode simhash urls content)
list(TRANSFORM content PREPEND ${folder}/)
list(TRANSFORM content APPEND .c)
# Loops over bytes are what these are: -O3 takes a tenth to a fifth off their time.
set_source_files_properties(${content} PROPERTIES COMPILE_OPTIONS $<$<CONFIG:Release>:-O3>)
add_library(catalyst_content STATIC EXCLUDE_FROM_ALL ${content})
target_compile_definitions(catalyst_content PRIVATE FIREWALL_MODEL="${model}")
target_include_directories(catalyst_content PUBLIC ${folder})
target_link_libraries(catalyst_content PUBLIC catalyst_sdk PkgConfig::libhs PkgConfig::libpsl m)
add_executable(firewall_train ${folder}/train/train.c ${folder}/train/learn.c)
target_link_libraries(firewall_train PRIVATE catalyst_content)
add_test(NAME unit.plugin.firewall.train_help COMMAND firewall_train --help)
set_tests_properties(unit.plugin.firewall.train_help PROPERTIES LABELS unit)

# Lists of numbers in the form that is mapped at once.
add_executable(firewall_list ${folder}/list/list.c ${folder}/hash.c ${folder}/numbers.c
               ${folder}/numbers_delta.c ${folder}/numbers_file.c ${folder}/numbers_text.c)
install(TARGETS firewall_list RUNTIME DESTINATION bin)

# What is wrong with a rules file, before it is put in place.
set(rules rules_load rules_read rules_when registry words tree hash sketch numbers numbers_delta)
list(TRANSFORM rules PREPEND ${folder}/)
list(TRANSFORM rules APPEND .c)
add_executable(firewall_check ${folder}/check/check.c ${rules})
target_link_libraries(firewall_check PRIVATE catalyst_content)
install(TARGETS firewall_check RUNTIME DESTINATION bin)
