pkg_check_modules(libpq REQUIRED IMPORTED_TARGET libpq)
target_link_libraries(${plugin} PRIVATE PkgConfig::libpq)
