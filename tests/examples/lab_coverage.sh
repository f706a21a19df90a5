#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The labs' tests, built with gcc's --coverage, run at least 80 % of the lines of the scraper.
#
# usage: lab_coverage.sh PROGRAM FOLDER_OF_ITS_OBJECTS
set -eu
program=$(realpath "$1")
objects=$(realpath "$2")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
find "$objects" -name '*.gcda' -delete
"$program" --no-fork
cd "$folder"
gcov -o "$objects" "$objects"/*.gcda >gcov.log 2>&1
covered=$(awk '/lab_scraper.h.$/ { found = 1 }
    found && /^Lines executed/ { sub(/.*:/, ""); sub(/%.*/, ""); print; exit }' gcov.log)
echo "lab_scraper.h: $covered % of its lines"
awk -v covered="$covered" 'BEGIN { exit !(covered != "" && covered >= 80) }'
