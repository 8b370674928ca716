package restore

import (
	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
)

// Codes of answers that tell little about what to do (error code table; DLF.3051 is not in it, and the examples use it for every wrong parameter).
const (
	codeInvalid    = "DLF.3051"
	codePermission = "DLF.6888"
)

// advice is what can be done about a refused write, with "; " before it, where the service's own words do not say it. Neither the review switch nor a
// lock shows in anything that can be read, so the first refusal is what tells of them.
func (a *applying) advice(s *step, err error) string {
	create := s.item.Action == ActionCreate && !a.isWritten(s)
	switch {
	case s.item.Kind != asset.Jobs && s.item.Kind != asset.Scripts:
		return ""
	case create && factory.IsCode(err, codeInvalid) && (a.req.TargetStatus == "" || len(a.req.Approvers) == 0):
		return "; if the workspace's review switch is on, it refuses what comes without targetStatus and approvers: give both in the request"
	case !create && factory.IsCode(err, codePermission):
		return "; it may be locked by somebody else: unlock it in the console, or restore with the keys of a workspace administrator, whom locks do not stop"
	}
	return ""
}

func (a *applying) isWritten(s *step) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.report.Items[s.index].Written
}
