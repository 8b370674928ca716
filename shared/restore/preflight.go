package restore

import "fmt"

// block marks the jobs that cannot be written, because a job they depend on is neither restored nor live. The service refuses them.
func (p *plan) block() {
	for _, layer := range p.layers {
		for _, group := range layer {
			for _, name := range group {
				s := p.job(name)
				if s.item.Action != ActionCreate && s.item.Action != ActionOverwrite {
					continue
				}
				for _, d := range p.references[name].Dependencies {
					on := p.job(d)
					switch {
					case on == nil && !p.liveJobs[d]:
						s.item.Action, s.item.Reason = ActionBlocked, fmt.Sprintf("it depends on job %q, which is neither in what is restored nor in the workspace", d)
					case on != nil && on.item.Action == ActionBlocked && !p.liveJobs[d]:
						s.item.Action, s.item.Reason = ActionBlocked, fmt.Sprintf("it depends on job %q, which is blocked", d)
					}
				}
			}
		}
	}
}
