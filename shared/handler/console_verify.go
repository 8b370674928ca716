package handler

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/dataarts-backup/dataarts-backup/shared/event"
	"github.com/dataarts-backup/dataarts-backup/shared/store"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// codeTimeout is the code of an answer that did not fit into the time of an invocation.
const codeTimeout = "timeout"

// verification is the answer to POST /backups/{name}/verify.
type verification struct {
	Name   string   `json:"name"`
	Path   string   `json:"path"`
	Status string   `json:"status"` // VERIFIED or DAMAGED
	Faults []string `json:"faults"` // everything that is not as the manifest says
}

// verifyBackup reads everything in a backup and holds it against the manifest. VERIFIED is said of nothing but a complete backup whose every object was
// read; where the store did not give an object out and nothing else is wrong, the answer is an error.
func (c *console) verifyBackup(ctx context.Context, r event.Request, name string) (reply, error) {
	f, err := c.folder(ctx, &parameters{values: r.Query}, name)
	if err != nil {
		return reply{}, err
	}
	found, err := c.inspectFolder(ctx, f)
	if err != nil {
		return reply{}, err
	}
	answer := verification{Name: f.Name, Path: f.Path(), Status: "VERIFIED", Faults: []string{}}
	switch found.State {
	case vault.StateDamaged:
		answer.Status, answer.Faults = "DAMAGED", []string{found.Fault.Error()}
		return jsonReply(http.StatusOK, answer)
	case vault.StateComplete:
	default:
		return reply{}, &httpError{status: http.StatusConflict, code: codeConflict,
			message: fmt.Sprintf("%s is %s and cannot be verified: %s", f.Path(), found.State, messageOf(found))}
	}
	b, err := f.Open(ctx)
	if err == nil {
		err = b.Verify(ctx)
	}
	if ctx.Err() != nil {
		return reply{}, &httpError{status: http.StatusGatewayTimeout, code: codeTimeout, message: fmt.Sprintf(
			`the verification of %s did not end in time; the backup function does the same with the command {"verify": %q} and has longer`, f.Path(), f.Name)}
	}
	damaged := false
	for _, fault := range separate(err) {
		damaged = damaged || errors.Is(fault, vault.ErrUnproved) || errors.Is(fault, vault.ErrMalformed) || errors.Is(fault, store.ErrDamaged)
		answer.Faults = append(answer.Faults, fault.Error())
	}
	if err != nil && !damaged {
		return reply{}, fmt.Errorf("verify %s: %w", f.Path(), err)
	}
	if damaged {
		answer.Status = "DAMAGED"
	}
	return jsonReply(http.StatusOK, answer)
}

// separate takes errors apart that errors.Join put together.
func separate(err error) []error {
	if err == nil {
		return nil
	}
	// An error of fmt.Errorf with several %w has the same method, and is one sentence that must stay whole.
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || errors.Join(joined.Unwrap()...).Error() != err.Error() {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, separate(e)...)
	}
	return all
}
