package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/shared/backup"
	"github.com/dataarts-backup/dataarts-backup/shared/functiongraph"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// handOverTime is how long one workspace's handing over may take, all attempts in one. The first that takes longer ends the trying, and the backups begin.
const handOverTime = 6 * time.Second

// handover is what became of handing a workspace over to an invocation of its own. The zero value means that nobody tried.
type handover struct {
	requestID string // of that invocation
	failed    string // why there is none
}

// handedCommand is the command of such an invocation.
type handedCommand struct {
	Workspaces []string `json:"workspaces"`
	Time       string   `json:"time"` // of the timer, in the zone that names the folder
	Folder     string   `json:"folder,omitempty"`
}

// handOver hands each workspace over to an asynchronous invocation of this function, so that each has the whole time limit and retries of its own. What
// cannot be handed over is done here. A failure that is not about one workspace ends the trying: every other one would take its time, too, and the
// backups wait. An invocation whose answer was lost may run all the same; the two then end in one backup.
func (j job) handOver(ctx context.Context, workspaces []vault.Workspace) []handover {
	handed := make([]handover, len(workspaces))
	client, err := j.session.functionGraph()
	for i, w := range workspaces {
		if err != nil {
			handed[i].failed = err.Error()
			continue
		}
		var one error
		handed[i].requestID, one = j.handOverOne(ctx, client, w)
		if one == nil {
			continue
		}
		handed[i].failed = one.Error()
		if !errors.Is(one, functiongraph.ErrPayloadTooLarge) {
			err = fmt.Errorf("given up after workspace %s: %w", w.ID, one)
		}
	}
	return handed
}

func (j job) handOverOne(ctx context.Context, client *functiongraph.Client, w vault.Workspace) (requestID string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, handOverTime, fmt.Errorf("no answer within %v", handOverTime))
	defer cancel()
	payload, err := json.Marshal(handedCommand{Workspaces: []string{w.ID}, Time: j.due.Format(time.RFC3339Nano), Folder: j.command.Folder})
	if err != nil {
		return "", fmt.Errorf("encode the command: %w", err)
	}
	return client.InvokeAsync(ctx, j.session.config.Self.URN, payload)
}

// handedOver is the answer for a workspace that another invocation backs up.
func (j job) handedOver(ctx context.Context, w vault.Workspace, h handover, runID string) backup.Result {
	res := failed(w, nil)
	res.RunID, res.Status = runID, statusRunning
	res.Message = fmt.Sprintf("handed over to invocation %s of this function, which reports how it ends", h.requestID)
	if v, err := j.session.vault(w.ID, j.command.Folder); err == nil { // That invocation meets the same fault and reports it.
		res.Path = v.Folder(j.name()).Path()
	}
	zerolog.Ctx(ctx).Info().Str("operation", "handOver").Str("path", res.Path).Str("status", string(res.Status)).Str("invocation", h.requestID).Msg("handed over to an invocation of its own")
	return res
}

// functionGraph is the client with which this function invokes itself.
func (s *session) functionGraph() (*functiongraph.Client, error) {
	if s.config.Self.URN == "" {
		return nil, errors.New("the environment does not name this function (RUNTIME_PACKAGE, RUNTIME_FUNC_NAME, RUNTIME_FUNC_VERSION)")
	}
	return functiongraph.New(functiongraph.Options{Endpoint: s.config.FunctionGraphEndpoint, ProjectID: s.config.Self.ProjectID, Credentials: s.keys,
		Transport: s.options.FactoryTransport, UserAgent: s.options.tool()})
}
