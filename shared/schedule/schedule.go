// Package schedule is the daily backup's schedule: the timer that starts the backup function, as the platform keeps it.
//
// What it guarantees: the state it tells is the one that the platform has, read anew each time and never remembered; a change is told as made only after
// the platform has shown that it was taken; nothing is sent where nothing is to change; and of several timers none is touched by a guess.
package schedule

import (
	"context"
)

// Timer is a trigger that starts the backup function by time, as its platform keeps it.
type Timer struct {
	ID, Name   string
	Enabled    bool
	Expression string // as the platform spells it: "CRON_TZ=Europe/Berlin 0 0 0 * * *", "cron(0 0 * * ? *)", "@every 24h"; "1d" for a rate
	TimeZone   string // IANA name where the platform keeps it apart from the expression; else empty
	Input      string // what its events carry: user_event of FunctionGraph, Input of EventBridge Scheduler

	// Unfinished says what an earlier Update left half done, for people; empty for nothing. Updating the timer finishes it, also where nothing else
	// is to change. Enabled is then whether any of what stands there starts the function.
	Unfinished string
}

// Platform is where the backup function runs.
type Platform interface {
	// Timers lists the timers of the backup function.
	Timers(ctx context.Context) ([]Timer, error)
	// Update changes a timer (Enabled and Input; t is as Timers told it) and returns it as the platform then has it, read back from there. change is called
	// with the timer as it was read once more, and returns how it shall be: what somebody else has changed since Timers stays, unless change wants it
	// otherwise. A platform that cannot change a timer in place may put a new one in its stead, with another ID and name. The error says what state the
	// timer is in as far as it is known; after one, asking again repairs what was left half done.
	Update(ctx context.Context, t Timer, change func(now Timer) Timer) (Timer, error)
	// Run starts the backup function asynchronously with a command, which is JSON, and returns the id of the invocation.
	Run(ctx context.Context, command []byte) (requestID string, err error)
}
