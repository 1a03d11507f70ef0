pkg_check_modules(hiredis REQUIRED IMPORTED_TARGET hiredis)
pkg_check_modules(openssl REQUIRED IMPORTED_TARGET openssl)
target_link_libraries(${plugin} PRIVATE PkgConfig::hiredis PkgConfig::openssl)
