#!/bin/sh
# Runs a script with the tests' Python environment where there is one (FOURSTAGE_PYTHON), else with the
# system's: sh with_python.sh SCRIPT ARGUMENT...
exec "${FOURSTAGE_PYTHON:-python3}" "$@"
