pkg_check_modules(jansson REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(libcurl REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(openssl REQUIRED IMPORTED_TARGET openssl)
target_link_libraries(${plugin} PRIVATE PkgConfig::jansson PkgConfig::libcurl PkgConfig::openssl)
