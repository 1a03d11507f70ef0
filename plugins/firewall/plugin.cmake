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
add_executable(firewall_train ${folder}/train/train.c ${folder}/train/learn.c ${folder}/model.c
               ${folder}/normalise.c ${folder}/normalise_ascii.c ${folder}/normalise_tricks.c
               ${folder}/confusables.c ${folder}/urls.c ${folder}/punycode.c)
target_link_libraries(firewall_train PRIVATE catalyst_sdk PkgConfig::libpsl m)
add_test(NAME unit.plugin.firewall.train_help COMMAND firewall_train --help)
set_tests_properties(unit.plugin.firewall.train_help PROPERTIES LABELS unit)
