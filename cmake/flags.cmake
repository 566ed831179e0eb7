# Compiler flags of every target. Profile x1 demands -ffp-contract=off (GCC and clang contract by default, and one
# forgotten flag changes the bits) and forbids -ffast-math and -march=native.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_compile_options(-ffp-contract=off -fno-math-errno -Wall -Wextra -Wno-psabi -Wno-missing-field-initializers)
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g")
set(CMAKE_CXX_FLAGS_SANITIZE "-O1 -g1")  # the build type of the sanitizer preset

# The code of the tests themselves: what they test keeps its optimisation.
set(NURI_TEST_OPTIONS -O1 -g0)
if(NURI_SANITIZE)
  set(NURI_TEST_OPTIONS -O0 $<$<BOOL:${NURI_FUZZ}>:-fno-sanitize=fuzzer-no-link>)
endif()

if(NURI_SANITIZE)
  # object-size finds what AddressSanitizer finds, vptr casts that are not in use here: up to a third of the compilation.
  add_compile_options(-fsanitize=address,undefined -fno-sanitize=object-size,vptr -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()
if(NURI_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
  add_link_options(-fsanitize=fuzzer-no-link)
endif()
