package signing

import (
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"
)

// NeverSent says whether an error of a transport proves that the request has not left: no connection was made.
func NeverSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect")
}

// RetryAfter reads the header of that name in its two forms, seconds and date. It is 0 when there is none.
func RetryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, date.Sub(now))
	}
	return 0
}
