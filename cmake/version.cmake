# The commit that a build was made from: a header written at build time, only when it changes.
add_custom_target(nuri_version
  COMMAND ${CMAKE_COMMAND} -DSOURCE=${PROJECT_SOURCE_DIR} -DOUT=${PROJECT_BINARY_DIR}/generated/nuri_commit.h
          -P ${PROJECT_SOURCE_DIR}/cmake/write_commit.cmake
  BYPRODUCTS ${PROJECT_BINARY_DIR}/generated/nuri_commit.h)
