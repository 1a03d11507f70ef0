pkg_check_modules(hiredis REQUIRED IMPORTED_TARGET hiredis)
target_link_libraries(${plugin} PRIVATE PkgConfig::hiredis)
