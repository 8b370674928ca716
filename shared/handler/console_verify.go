package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/dataarts-backup/dataarts-backup/shared/event"
	"github.com/dataarts-backup/dataarts-backup/shared/schedule"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// codeTimeout is the code of an answer that did not fit into the time of an invocation.
const codeTimeout = "timeout"

// verifyTime is how long the console works on a verification at most. The shortest of the gateways waits 30 s, and what follows takes some of it.
const verifyTime = 20 * time.Second

// answerTime is what is left of the time of an invocation for what follows a work that had no end.
const answerTime = 2 * time.Second

// statusHandedOver is the status of a verification that the backup function goes on with.
const statusHandedOver vault.Verdict = "RUNNING"

// verification is the answer to POST /backups/{name}/verify.
type verification struct {
	Name      string        `json:"name"`
	Path      string        `json:"path"`
	Status    vault.Verdict `json:"status"`              // or RUNNING: the backup function goes on with it
	Faults    []string      `json:"faults"`              // everything that is not as the manifest says
	Notes     []string      `json:"notes"`               // what lies there and does no harm, and that the verdict could not be put on record
	Chain     *chain        `json:"chain"`               // null where the backup is damaged, so that its manifest leads nowhere, and where it is RUNNING
	RequestID string        `json:"requestId,omitempty"` // of the invocation of the backup function
	Message   string        `json:"message,omitempty"`   // of one that is RUNNING
}

// chain is what was found of the backups before a verified one.
type chain struct {
	Length int           `json:"length"` // of the backups before it that are what the chain of manifests says
	Breaks []vault.Break `json:"breaks"`
}

// verifyBackup serves POST /backups/{name}/verify.
func (c *console) verifyBackup(ctx context.Context, r event.Request, name string) (reply, error) {
	if err := bodiless(r); err != nil {
		return reply{}, err
	}
	p := &parameters{values: r.Query}
	f, err := c.folder(ctx, p, name)
	if err != nil {
		return reply{}, err
	}
	workspace, _, err := c.one(ctx, p)
	if err != nil {
		return reply{}, err
	}
	answer, err := c.verifyNow(ctx, workspace, f)
	if err != nil {
		return reply{}, err
	}
	status := http.StatusOK
	if answer.Status == statusHandedOver {
		status = http.StatusAccepted
	}
	return jsonReply(status, answer)
}

// verifyNow reads everything in a backup and holds it against the manifest, and follows the chain of manifests back. VERIFIED is said of nothing but a complete
// backup whose every object was read; where the store did not give an object out and nothing else is wrong, the answer is an error. What does not end while a
// gateway waits is handed to the backup function, which begins anew and puts its verdict on record.
func (c *console) verifyNow(ctx context.Context, workspace string, f *vault.Folder) (verification, error) {
	work, cancel := working(ctx, verifyTime)
	defer cancel()
	answer := verification{Name: f.Name, Path: f.Path(), Status: vault.Verified, Faults: []string{}, Notes: []string{}}
	err := c.verifyFolder(work, f, &answer)
	if _, refused := errors.AsType[*httpError](err); err == nil || refused {
		return answer, err
	}
	if work.Err() == nil {
		return answer, fmt.Errorf("verify %s: %w", f.Path(), err)
	}
	message := fmt.Sprintf(`the verification of %s did not end in time; the backup function does the same with the command {"verify": %q} and has longer`, f.Path(), f.Name)
	if ctx.Err() == nil && c.config.BackupFunction != "" {
		platform, err := c.platform()
		if err == nil {
			return handOverVerification(ctx, platform, workspace, c.below, f)
		}
		message += fmt.Sprintf(", but could not be asked: %v", err)
	}
	return answer, &httpError{status: http.StatusGatewayTimeout, code: codeTimeout, message: message}
}

// working is a context for work of so much time at most, which ends early enough to answer before ctx ends.
func working(ctx context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	if end, limited := ctx.Deadline(); limited {
		left := time.Until(end)
		most = min(most, max(left-answerTime, left/2))
	}
	return context.WithTimeout(ctx, most)
}

// handOverVerification has the backup function verify a backup.
func handOverVerification(ctx context.Context, platform schedule.Platform, workspace, below string, f *vault.Folder) (verification, error) {
	command := struct {
		Verify     string   `json:"verify"`
		Workspaces []string `json:"workspaces,omitempty"`
		Folder     string   `json:"folder,omitempty"`
	}{Verify: f.Name, Folder: below}
	if workspace != "" {
		command.Workspaces = []string{workspace}
	}
	text, err := json.Marshal(command)
	if err != nil {
		return verification{}, fmt.Errorf("encode the command: %w", err)
	}
	id, err := platform.Run(ctx, text)
	if err != nil {
		return verification{}, platformError(ctx, fmt.Errorf("have the backup function verify %s: %w", f.Path(), err))
	}
	return verification{Name: f.Name, Path: f.Path(), Status: statusHandedOver, Faults: []string{}, Notes: []string{}, RequestID: id,
		Message: "this takes longer than a gateway waits: the backup function was started to verify the backup from the beginning, and its verdict is shown with the backup when it is there"}, nil
}

// verifyFolder verifies what is in a folder, and puts the verdict on record. The error is a refusal, or that of a store which did not give an object out, so that
// there is no verdict.
func (c *console) verifyFolder(ctx context.Context, f *vault.Folder, answer *verification) error {
	found := verdict{folder: f.Name}
	err := c.verifyInto(ctx, f, answer, &found)
	if found.status == "" {
		return err
	}
	answer.Status = found.status
	if found.status == vault.Damaged {
		for _, fault := range found.faults {
			answer.Faults = append(answer.Faults, fault.Error())
		}
	}
	if note := c.putOnRecord(ctx, f.Location(), found); note != "" {
		answer.Notes = append(answer.Notes, note)
	}
	return nil
}

func (c *console) verifyInto(ctx context.Context, f *vault.Folder, answer *verification, found *verdict) error {
	state, err := c.inspectFolder(ctx, f)
	if err != nil {
		return err
	}
	switch state.State {
	case vault.StateDamaged:
		found.status, found.faults = vault.Damaged, []error{state.Fault}
		return nil
	case vault.StateComplete:
	default:
		return &httpError{status: http.StatusConflict, code: codeConflict,
			message: fmt.Sprintf("%s is %s and cannot be verified: %s", f.Path(), state.State, messageOf(state))}
	}
	b, err := f.Open(ctx)
	if err != nil {
		found.damage(err)
		return err
	}
	found.manifestSHA256 = b.ManifestSHA256
	leftover, err := verifyObjects(ctx, b)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, note := range separate(leftover) {
		answer.Notes = append(answer.Notes, note.Error())
	}
	if err != nil {
		found.damage(err)
		return err
	}
	walked, err := b.Chain(ctx)
	if err != nil {
		return err
	}
	answer.Chain = &chain{Length: walked.Length, Breaks: nonNil(walked.Breaks)}
	found.chained(walked)
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
