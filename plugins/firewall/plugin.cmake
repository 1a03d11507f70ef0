# vectorscan matches content rules, libpsl knows which part of a host is registered.
pkg_check_modules(libhs REQUIRED IMPORTED_TARGET libhs)
pkg_check_modules(libpsl REQUIRED IMPORTED_TARGET libpsl)
target_link_libraries(${plugin} PRIVATE PkgConfig::libhs PkgConfig::libpsl)
