# vectorscan matches content rules, libpsl knows which part of a host is registered.
pkg_check_modules(libhs REQUIRED IMPORTED_TARGET libhs)
pkg_check_modules(libpsl REQUIRED IMPORTED_TARGET libpsl)
target_link_libraries(${plugin} PRIVATE PkgConfig::libhs PkgConfig::libpsl)
# Lists of numbers may come from Redis, by TLS.
pkg_check_modules(hiredis REQUIRED IMPORTED_TARGET hiredis)
pkg_check_modules(openssl REQUIRED IMPORTED_TARGET openssl)
find_package(Threads REQUIRED)
target_link_libraries(${plugin} PRIVATE PkgConfig::hiredis PkgConfig::openssl Threads::Threads)
