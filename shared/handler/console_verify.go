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
	Status string   `json:"status"` // VERIFIED, DAMAGED or CHAIN_BROKEN
	Faults []string `json:"faults"` // everything that is not as the manifest says
	Notes  []string `json:"notes"`  // what lies there and does no harm
	Chain  *chain   `json:"chain"`  // null where the backup is damaged, so that its manifest leads nowhere
}

// chain is what was found of the backups before a verified one.
type chain struct {
	Length int           `json:"length"` // of the backups before it that are what the chain of manifests says
	Breaks []vault.Break `json:"breaks"`
}

// verifyBackup reads everything in a backup and holds it against the manifest, and follows the chain of manifests back. VERIFIED is said of nothing but a complete backup whose every object was
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
	answer := verification{Name: f.Name, Path: f.Path(), Status: "VERIFIED", Faults: []string{}, Notes: []string{}}
	switch found.State {
	case vault.StateDamaged:
		answer.Status, answer.Faults = "DAMAGED", []string{found.Fault.Error()}
		return jsonReply(http.StatusOK, answer)
	case vault.StateComplete:
	default:
		return reply{}, &httpError{status: http.StatusConflict, code: codeConflict,
			message: fmt.Sprintf("%s is %s and cannot be verified: %s", f.Path(), found.State, messageOf(found))}
	}
	if err := c.verifyFolder(ctx, f, &answer); err != nil {
		if ctx.Err() != nil {
			return reply{}, &httpError{status: http.StatusGatewayTimeout, code: codeTimeout, message: fmt.Sprintf(
				`the verification of %s did not end in time; the backup function does the same with the command {"verify": %q} and has longer`, f.Path(), f.Name)}
		}
		return reply{}, fmt.Errorf("verify %s: %w", f.Path(), err)
	}
	return jsonReply(http.StatusOK, answer)
}

// verifyFolder reads the backup and follows the chain of manifests before it. The error is that of a store which did not give an object out, so that there is
// no verdict.
func (c *console) verifyFolder(ctx context.Context, f *vault.Folder, answer *verification) error {
	b, err := f.Open(ctx)
	var leftover error
	if err == nil {
		leftover, err = verifyObjects(ctx, b)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, note := range separate(leftover) {
		answer.Notes = append(answer.Notes, note.Error())
	}
	for _, fault := range separate(err) {
		if errors.Is(fault, vault.ErrUnproved) || errors.Is(fault, vault.ErrMalformed) || errors.Is(fault, store.ErrDamaged) {
			answer.Status = "DAMAGED"
		}
		answer.Faults = append(answer.Faults, fault.Error())
	}
	if answer.Status == "DAMAGED" {
		return nil
	}
	if err != nil {
		return err
	}
	walked, err := b.Chain(ctx)
	if err != nil {
		return err
	}
	answer.Chain = &chain{Length: walked.Length, Breaks: nonNil(walked.Breaks)}
	if len(walked.Breaks) > 0 {
		answer.Status = "CHAIN_BROKEN"
	}
	return nil
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
