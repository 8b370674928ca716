// Package bundle packs definitions into zips that DataArts' own job import takes.
//
// It guarantees that importing the zips in their order works: everything an asset needs lies in its own zip or in an earlier one, and the jobs of
// a cycle lie in one. No zip is larger than the limit, packed or unpacked, because the service checks both. Equal input gives equal bytes, no two
// files of a zip have one path, whatever the names, and what does not fit into any zip is returned by name.
//
// The layout is that of DataArts' exports: a job and the scripts that it is the first to use in a folder of their own, as Batch Exporting Jobs has
// it, everything else in a folder for each kind, as Exporting a Job has it:
//
//	jobs/<job>/<job>.job
//	jobs/<job>/<script>.script
//	scripts/<script>.script
//	resources/<resource>.resource
package bundle

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/dataarts-backup/dataarts-backup/shared/asset"
	"github.com/dataarts-backup/dataarts-backup/shared/graph"
)

// DefaultLimit is the most bytes of one zip, packed and unpacked. The service takes 10 MB of each (Exporting and Importing Jobs page); whether it counts
// them in thousands is not documented, and a file system's own overhead neither.
const DefaultLimit = 9_000_000

// Asset is one definition to pack.
type Asset struct {
	Ref asset.Ref
	// Needs are the assets that have to be there when this one is imported: the jobs, scripts and resources that a job refers to. Those that are not packed
	// are ignored.
	Needs []asset.Ref
}

// Options have useful zero values.
type Options struct {
	Limit       int // most bytes of one zip, packed and unpacked; DefaultLimit if zero
	Assets      int // most assets of one zip, unless a cycle or a job with its scripts has more; any number if zero
	Concurrency int // definitions read at the same time; 8 if zero
}

// Zip is one file to import.
type Zip struct {
	Number int // from 1, in the order of import
	Data   []byte
	Assets []asset.Ref // in the order in which they lie in it
}

// Names lists the names of the zip's assets of one kind.
func (z Zip) Names(kind asset.Kind) []string {
	var names []string
	for _, ref := range z.Assets {
		if ref.Kind == kind {
			names = append(names, ref.Name)
		}
	}
	return names
}

// Left is an asset that is in no zip, and why.
type Left struct {
	Ref asset.Ref
	Err error // ErrTooLarge or ErrLeaveOut
}

var (
	// ErrTooLarge says that the asset, or the cycle of jobs that it is part of, does not fit into one zip.
	ErrTooLarge = errors.New("too large for one import file")
	// ErrLeaveOut is what a definition function returns, bare or wrapped, for an asset that shall not be packed.
	ErrLeaveOut = errors.New("left out of the import files")
)

// Pack packs assets and calls emit with one zip after the other, in the order of import. definition returns the JSON text of an asset's create call;
// it is called once for each, several at a time. At most a zip and a few definitions are held in memory.
//
// What is left out is returned in the order of the input. What needs it is packed all the same. An error of definition or emit ends the packing and is
// returned as it is.
func Pack(ctx context.Context, assets []Asset, definition func(context.Context, asset.Ref) ([]byte, error), opts Options, emit func(Zip) error) ([]Left, error) {
	if opts.Limit <= 0 {
		opts.Limit = DefaultLimit
	}
	if opts.Concurrency <= 0 {
		opts.Concurrency = 8
	}
	p := &packer{limit: opts.Limit, most: opts.Assets, emit: emit, left: map[asset.Ref]error{}}
	for chunk := range chunks(units(assets), opts.Concurrency) {
		loaded, err := load(ctx, chunk, definition, opts.Concurrency)
		if err != nil {
			return nil, err
		}
		for _, files := range loaded {
			if err := p.add(files); err != nil {
				return nil, err
			}
		}
	}
	if err := p.flush(); err != nil {
		return nil, err
	}
	var left []Left
	for _, a := range assets {
		if why := p.left[a.Ref.Identity()]; why != nil {
			left = append(left, Left{a.Ref, why})
		}
	}
	return left, nil
}

// unit is what has to lie in one zip: a job with the scripts that it is the first to use, the jobs of a cycle, or any other asset alone.
type unit []member

type member struct {
	ref asset.Ref
	job string // in whose folder it lies; empty for the kind's own
}

// units sorts assets so that each comes after those it needs: resources, scripts that no job uses, then the jobs, dependencies first.
func units(assets []Asset) []unit {
	known := map[asset.Ref]Asset{}
	users := map[asset.Ref]int{} // jobs that use a script
	var jobs []string
	for _, a := range assets {
		id := a.Ref.Identity()
		if _, twice := known[id]; twice {
			continue
		}
		known[id] = a
		if a.Ref.Kind != asset.Jobs {
			continue
		}
		jobs = append(jobs, a.Ref.Name)
		for _, need := range a.Needs {
			if need.Kind == asset.Scripts {
				users[need.Identity()]++
			}
		}
	}
	var all []unit
	placed := map[asset.Ref]bool{}
	alone := func(kind asset.Kind, wanted func(asset.Ref) bool) {
		for _, a := range assets {
			if id := a.Ref.Identity(); a.Ref.Kind == kind && !placed[id] && wanted(id) {
				placed[id] = true
				all = append(all, unit{{ref: a.Ref}})
			}
		}
	}
	alone(asset.Resources, func(asset.Ref) bool { return true })
	alone(asset.Scripts, func(id asset.Ref) bool { return users[id] == 0 })
	layers := graph.Layers(jobs, func(name string) []string {
		var needs []string
		for _, need := range known[asset.Ref{Kind: asset.Jobs, Name: name}].Needs {
			if need.Kind == asset.Jobs {
				needs = append(needs, need.Name)
			}
		}
		return needs
	})
	for _, layer := range layers {
		for _, group := range layer {
			var u unit
			for _, name := range group {
				job := known[asset.Ref{Kind: asset.Jobs, Name: name}]
				for _, need := range job.Needs {
					id := need.Identity()
					if script, ok := known[id]; ok && id.Kind == asset.Scripts && !placed[id] {
						placed[id] = true
						u = append(u, member{ref: script.Ref, job: name})
					}
				}
				u = append(u, member{ref: job.Ref, job: name})
			}
			all = append(all, u)
		}
	}
	return all
}

// chunks yields units in groups of about so many assets.
func chunks(units []unit, size int) func(yield func([]unit) bool) {
	return func(yield func([]unit) bool) {
		for len(units) > 0 {
			n, members := 0, 0
			for n < len(units) && (n == 0 || members+len(units[n]) <= 2*size) {
				members += len(units[n])
				n++
			}
			if !yield(units[:n]) {
				return
			}
			units = units[n:]
		}
	}
}

// load reads and compresses what units hold.
func load(ctx context.Context, units []unit, definition func(context.Context, asset.Ref) ([]byte, error), concurrency int) ([][]file, error) {
	all := make([][]file, len(units))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for i, u := range units {
		all[i] = make([]file, len(u))
		for j, m := range u {
			group.Go(func() error {
				text, err := definition(ctx, m.ref)
				switch {
				case errors.Is(err, ErrLeaveOut):
					all[i][j] = file{member: m, left: err}
					return nil
				case err != nil:
					return err
				}
				all[i][j], err = compress(m, text)
				return err
			})
		}
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return all, nil
}

// packer fills zips.
type packer struct {
	limit int
	most  int // assets
	emit  func(Zip) error
	zip   archive
	zips  int
	left  map[asset.Ref]error
}

// add packs a unit: into the zip that is being filled, else into a new one. Scripts that do not fit beside their job go ahead of it, one by one. A
// cycle whose jobs do not fit together is left out.
func (p *packer) add(files []file) error {
	cycle := 0
	for _, f := range files {
		if f.member.ref.Kind == asset.Jobs {
			cycle++
		}
		if f.left != nil {
			p.left[f.member.ref.Identity()] = f.left
		}
	}
	files = slices.DeleteFunc(files, func(f file) bool { return f.left != nil })
	full := p.most > 0 && len(p.zip.files) > 0 && len(p.zip.files)+len(files) > p.most
	if !full && p.zip.fits(files, p.limit) {
		p.zip.add(files)
		return nil
	}
	if (&archive{}).fits(files, p.limit) {
		if err := p.flush(); err != nil {
			return err
		}
		p.zip.add(files)
		return nil
	}
	if len(files) == 1 {
		p.tooLarge(files)
		return nil
	}
	jobs := slices.DeleteFunc(slices.Clone(files), func(f file) bool { return f.member.ref.Kind != asset.Jobs })
	for _, f := range files {
		if f.member.ref.Kind != asset.Jobs {
			f.member.job = ""
			if err := p.add([]file{f}); err != nil {
				return err
			}
		}
	}
	if cycle > 1 && len(jobs) == len(files) {
		p.tooLarge(jobs)
		return nil
	}
	return p.add(jobs)
}

func (p *packer) tooLarge(files []file) {
	for _, f := range files {
		why := fmt.Errorf("%w of %d bytes", ErrTooLarge, p.limit)
		if len(files) > 1 {
			why = fmt.Errorf("the cycle of jobs that it is part of is %w", why)
		}
		p.left[f.member.ref.Identity()] = why
	}
}

// flush gives the zip away that is being filled.
func (p *packer) flush() error {
	if len(p.zip.files) == 0 {
		return nil
	}
	data, err := p.zip.bytes()
	if err != nil {
		return err
	}
	p.zips++
	z := Zip{Number: p.zips, Data: data}
	for _, f := range p.zip.files {
		z.Assets = append(z.Assets, f.member.ref)
	}
	p.zip = archive{}
	return p.emit(z)
}
