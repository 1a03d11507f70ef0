# The wire half (PDUs, alphabets, segments, receipts) is a library of its own, catalyst_smpp, for it
# is also what the fuzzer, the bench, the sink of examples/messaging and the tests are built on. The
# tests link it by the plugin; they need not include its sources.
file(GLOB codec CONFIGURE_DEPENDS ${folder}/pdu_*.c ${folder}/gsm_*.c ${folder}/segment*.c
     ${folder}/receipt*.c ${folder}/status.c ${folder}/address.c)
add_library(catalyst_smpp STATIC ${codec})
target_include_directories(catalyst_smpp PUBLIC ${folder})
target_link_libraries(catalyst_smpp PUBLIC catalyst_sdk)

# Sessions and nodes are one more library, so that tests link them and include smpp.c alone. TLS of
# binds is that of catalyst/stream.h.
pkg_check_modules(openssl REQUIRED IMPORTED_TARGET openssl)
file(GLOB nodes CONFIGURE_DEPENDS ${folder}/*.c)
list(REMOVE_ITEM nodes ${codec} ${folder}/smpp.c)
add_library(catalyst_smpp_nodes STATIC ${nodes})
target_link_libraries(catalyst_smpp_nodes PUBLIC catalyst_smpp PkgConfig::openssl)

set_target_properties(${plugin} PROPERTIES SOURCES ${folder}/smpp.c)
target_link_libraries(${plugin} PRIVATE catalyst_smpp_nodes catalyst_smpp)
