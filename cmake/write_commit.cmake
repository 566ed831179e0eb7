# Writes the header with the commit: of the git repository whose root is SOURCE ("+" when tracked files differ from it), or
# of the archive that `git archive` made; "unknown" elsewhere.
cmake_policy(VERSION 3.25)
execute_process(COMMAND git -C ${SOURCE} rev-parse --show-toplevel OUTPUT_VARIABLE top ERROR_QUIET
                OUTPUT_STRIP_TRAILING_WHITESPACE)
file(REAL_PATH ${SOURCE} source)
set(commit "unknown")
if(top STREQUAL source)
  execute_process(COMMAND git -C ${SOURCE} rev-parse --short=12 HEAD OUTPUT_VARIABLE commit ERROR_QUIET
                  OUTPUT_STRIP_TRAILING_WHITESPACE)
  execute_process(COMMAND git -C ${SOURCE} status --porcelain --untracked-files=no OUTPUT_VARIABLE dirty ERROR_QUIET)
  if(NOT commit)
    set(commit "unknown")  # a repository without a commit
  elseif(dirty)
    string(APPEND commit "+")
  endif()
else()
  file(STRINGS ${SOURCE}/cmake/archive_commit.txt archived LIMIT_COUNT 1)
  if(archived MATCHES "^[0-9a-f]+$")
    string(SUBSTRING ${archived} 0 12 commit)
  endif()
endif()
file(CONFIGURE OUTPUT ${OUT} CONTENT "#pragma once\n#define NURI_COMMIT \"@commit@\"\n" @ONLY)
