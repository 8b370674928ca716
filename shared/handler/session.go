// Package handler is what each function does with an event: it tells the event, reads the command in it strictly, runs the engine and answers in
// the words of the outside.
//
// It guarantees that a command is understood whole, with every fault named at once, before anything is touched; that an error shows no key, no secret and
// no stack; and that clients are made anew for every invocation, because on FunctionGraph every invocation brings its own keys.
package handler

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"github.com/dataarts-backup/dataarts-backup/shared/config"
	"github.com/dataarts-backup/dataarts-backup/shared/factory"
	"github.com/dataarts-backup/dataarts-backup/shared/lease"
	"github.com/dataarts-backup/dataarts-backup/shared/runtime"
	"github.com/dataarts-backup/dataarts-backup/shared/signing"
	"github.com/dataarts-backup/dataarts-backup/shared/store/obs"
	"github.com/dataarts-backup/dataarts-backup/shared/vault"
)

// Options is what the functions take from outside. The zero value of each field but Lookup is the real thing.
type Options struct {
	Lookup  config.Lookup // the settings
	Version string        // of the program, for manifests and the User-Agent
	Now     func() time.Time
	NewID   func() string // a text that no other restore or run has as its id

	// Transports that all invocations share, so that connections outlive the clients.
	FactoryTransport http.RoundTripper
	StoreTransport   http.RoundTripper
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = func() string {
			var b [4]byte
			_, _ = rand.Read(b[:]) // never fails
			return o.Now().UTC().Format("20060102T150405Z") + "-" + hex.EncodeToString(b[:])
		}
	}
	if o.FactoryTransport == nil {
		o.FactoryTransport = factory.NewTransport()
	}
	if o.StoreTransport == nil {
		o.StoreTransport = obs.NewTransport()
	}
	return o
}

// tool is what manifests say they were written by.
func (o Options) tool() string { return "dataarts-backup/" + o.Version }

// session is one invocation's settings and clients.
type session struct {
	options   Options
	config    *config.Config
	factory   *factory.Client // nil for a console that is not told of DataArts: see noFactory
	store     *obs.Client
	keys      signing.Credentials // for the APIs of the project; empty for a console that has none: see noKeys
	vaultKeys vault.Keys          // encrypt backups and read encrypted ones

	noKeys, noFactory error // why a console has no keys, and no factory; nil for the other functions
}

// open reads the settings and makes the clients for one invocation. The context it returns logs at the configured level.
func (o Options) open(ctx context.Context, function config.Function, inv runtime.Invocation) (context.Context, *session, error) {
	c, err := config.Load(function, o.Lookup, config.Options{DataArtsEndpoints: factory.DefaultEndpoints})
	if err != nil {
		return ctx, nil, err
	}
	logger := zerolog.Ctx(ctx).Level(c.LogLevel)
	s, err := o.session(c, inv, logger)
	return logger.WithContext(ctx), s, err
}

func (o Options) session(c *config.Config, inv runtime.Invocation, logger zerolog.Logger) (*session, error) {
	s := &session{options: o, config: c}
	var err error
	if s.vaultKeys, err = vault.ParseKeys(c.Recipients, c.RestoreIdentity.Reveal()); err != nil {
		return nil, fmt.Errorf("BACKUP_RECIPIENTS, RESTORE_IDENTITY: %w", err)
	}
	given := config.Credentials(inv.Credentials)
	storeKeys, storeErr := c.StoreCredentials(given)
	dataarts, err := c.DataArtsCredentials(given)
	if c.Function == config.Console { // most of its work is with the vault
		s.noKeys, err = err, nil
	}
	if err := errors.Join(err, storeErr); err != nil {
		return nil, err
	}
	if s.store, err = obs.New(obs.Options{Endpoint: c.OBSEndpoint, AccessKey: storeKeys.AccessKey, SecretKey: storeKeys.SecretKey,
		SecurityToken: storeKeys.SecurityToken, Transport: o.StoreTransport, Logger: logger}); err != nil {
		return nil, fmt.Errorf("OBS_ENDPOINT: %w", err)
	}
	s.keys = signing.Credentials(dataarts)
	if c.Function == config.Console {
		if s.noFactory = s.withoutFactory(); s.noFactory != nil {
			return s, nil //nolint:nilerr // whoever wants to look into a workspace is told
		}
	}
	if s.factory, err = factory.New(factory.Options{Endpoint: c.Endpoint, V2Endpoint: c.V2Endpoint, ProjectID: c.ProjectID,
		Credentials: factory.Credentials(dataarts), RateLimit: c.RateLimit, Transport: o.FactoryTransport, UserAgent: o.tool()}); err != nil {
		return nil, fmt.Errorf("DATAARTS_ENDPOINT, DATAARTS_V2_ENDPOINT: %w", err)
	}
	return s, nil
}

// withoutFactory says what a console lacks that is to look into a workspace; nil where it lacks nothing.
func (s *session) withoutFactory() error {
	var faults []error
	if s.noKeys != nil {
		faults = append(faults, s.noKeys)
	}
	for _, setting := range []struct{ name, value string }{
		{"DATAARTS_PROJECT_ID", s.config.ProjectID}, {"DATAARTS_ENDPOINT", s.config.Endpoint}, {"DATAARTS_V2_ENDPOINT", s.config.V2Endpoint},
	} {
		if setting.value == "" {
			faults = append(faults, fmt.Errorf("%s is not set", setting.name))
		}
	}
	return errors.Join(faults...)
}

// vault is the location of a workspace's backups; below is a folder below it, or empty.
func (s *session) vault(workspace, below string) (*vault.Vault, error) {
	bucket, prefix, err := s.config.Location.For(workspace)
	if err != nil {
		return nil, err
	}
	return vault.New(s.store.Bucket(bucket), bucket, prefix+below).WithKeys(s.vaultKeys), nil
}

// lease is how runs of this function keep apart; owner is shown to those who wait.
func (s *session) lease(inv runtime.Invocation) lease.Options {
	return lease.Options{Owner: string(s.config.Function) + " " + inv.RequestID}
}

// failure is the error of an invocation that failed, with the type that operators see.
func failure(kind string, err error) error {
	return &runtime.Failure{Type: kind, Message: err.Error()}
}
