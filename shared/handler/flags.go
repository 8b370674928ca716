package handler

// FlagDryRun is the flag of the backup function's bootstrap on a command line: nothing is written or deleted, and the answer says what would be.
const FlagDryRun = "--dry-run"
