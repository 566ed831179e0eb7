// The program: one verb per task. See cli/verbs.h.
#include "cli/verbs.h"

int main(int argc, char** argv) { return nuri::run_program(argc, argv); }
