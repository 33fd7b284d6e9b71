#!/bin/sh
# Tollgate under valgrind's memcheck, for TOLLGATE_BINARY: any error or leak makes its exit code 99.
root=$(cd "$(dirname "$0")/../.." && pwd)
exec valgrind -q --leak-check=full --errors-for-leak-kinds=definite,possible --error-exitcode=99 "$root/build/release/tollgate" "$@"
