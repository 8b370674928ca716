package lambda

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxSchedulePage is how many schedules ListSchedules answers at most.
const maxSchedulePage = 100

const defaultGroup = "default"

// scheduler holds the schedules of EventBridge Scheduler. The mutex of the Service guards it.
type scheduler struct {
	groups    map[string]bool
	schedules map[string]*storedSchedule // by group/name
	tokens    map[string]string          // client tokens of changes that were made, with what they changed
}

func newScheduler() scheduler {
	return scheduler{groups: map[string]bool{defaultGroup: true}, schedules: map[string]*storedSchedule{}, tokens: map[string]string{}}
}

// storedSchedule is a schedule. Settings are kept as they were sent, also those that are not known here, which a newer service may have.
type storedSchedule struct {
	group, name       string
	settings          map[string]json.RawMessage
	created, modified time.Time
}

// CreateScheduleGroup makes a group besides the default one.
func (s *Service) CreateScheduleGroup(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scheduler.groups[name] = true
}

// CreateSchedule is the operation of that name without HTTP: settings is the body of the request.
func (s *Service) CreateSchedule(name, settings string) error {
	if err := s.store(name, []byte(settings), true); err != nil {
		return fmt.Errorf("create schedule %q: %w", name, err)
	}
	return nil
}

// Schedule is what GetSchedule answers, and whether there is such a schedule.
func (s *Service) Schedule(group, name string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stored := s.scheduler.schedules[group+"/"+name]
	if stored == nil {
		return nil, false
	}
	return s.shown(stored), true
}

func (s *Service) scheduleARN(stored *storedSchedule) string {
	return "arn:aws:scheduler:" + s.opts.Region + ":" + s.opts.AccountID + ":schedule/" + stored.group + "/" + stored.name
}

// shown is a schedule as GetSchedule shows it, with the documented defaults; what is not set is null.
func (s *Service) shown(stored *storedSchedule) []byte {
	all := map[string]any{
		"ActionAfterCompletion": "NONE", "Description": nil, "EndDate": nil, "KmsKeyArn": nil, "ScheduleExpressionTimezone": "UTC", "StartDate": nil, "State": "ENABLED",
	}
	for name, value := range stored.settings {
		all[name] = value
	}
	target := map[string]any{
		"DeadLetterConfig": nil, "EcsParameters": nil, "EventBridgeParameters": nil, "Input": nil, "KinesisParameters": nil,
		"RetryPolicy": map[string]int{"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}, "SageMakerPipelineParameters": nil, "SqsParameters": nil,
	}
	for name, value := range members(stored.settings["Target"]) {
		target[name] = value
	}
	all["Target"] = target
	all["Arn"], all["GroupName"], all["Name"] = s.scheduleARN(stored), stored.group, stored.name
	all["CreationDate"], all["LastModificationDate"] = seconds(stored.created), seconds(stored.modified)
	return encode(all)
}

// seconds is a time as the API has it.
func seconds(t time.Time) json.RawMessage {
	return json.RawMessage(fmt.Sprintf("%d.%03d", t.Unix(), t.Nanosecond()/1e6))
}

func (s *Service) listSchedules(w http.ResponseWriter, r *http.Request) *apiError {
	query := r.URL.Query()
	size := maxSchedulePage
	if text := query.Get("MaxResults"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxSchedulePage {
			return invalid(fmt.Sprintf("Value '%s' at 'maxResults' failed to satisfy constraint: Member must have value between 1 and %d", text, maxSchedulePage))
		}
		size = n
	}
	size = min(size, s.opts.SchedulePage)
	group, prefix, state := query.Get("ScheduleGroup"), query.Get("NamePrefix"), query.Get("State")
	if state != "" && state != "ENABLED" && state != "DISABLED" {
		return invalid(fmt.Sprintf("Value '%s' at 'state' failed to satisfy constraint: Member must satisfy enum value set: [ENABLED, DISABLED]", state))
	}
	filter := strings.Join([]string{group, prefix, state}, "\n")
	after := ""
	if token := query.Get("NextToken"); token != "" {
		text, err := base64.RawURLEncoding.DecodeString(token)
		of, last, ok := strings.Cut(string(text), "\x00")
		if err != nil || !ok || of != filter {
			return refuse(http.StatusBadRequest, "ValidationException", "Invalid NextToken.")
		}
		after = last
	}
	type summary struct {
		Arn                                string
		CreationDate, LastModificationDate json.RawMessage
		GroupName, Name, State             string
		Target                             struct{ Arn string }
	}
	page := []summary{}
	var next *string
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(s.scheduler.schedules)) {
		stored := s.scheduler.schedules[key]
		row := summary{Arn: s.scheduleARN(stored), CreationDate: seconds(stored.created), LastModificationDate: seconds(stored.modified),
			GroupName: stored.group, Name: stored.name, State: cmp.Or(text(stored.settings["State"]), "ENABLED")}
		row.Target.Arn = text(members(stored.settings["Target"])["Arn"])
		if key <= after || group != "" && group != stored.group || !strings.HasPrefix(stored.name, prefix) || state != "" && state != row.State {
			continue
		}
		if len(page) == size {
			token := base64.RawURLEncoding.EncodeToString([]byte(filter + "\x00" + page[size-1].GroupName + "/" + page[size-1].Name))
			next = &token
			break
		}
		page = append(page, row)
	}
	answer(w, encode(map[string]any{"NextToken": next, "Schedules": page}))
	return nil
}

func (s *Service) getSchedule(w http.ResponseWriter, r *http.Request) *apiError {
	group := cmp.Or(r.URL.Query().Get("groupName"), defaultGroup)
	shown, ok := s.Schedule(group, r.PathValue("name"))
	if !ok {
		return noSchedule(r.PathValue("name"))
	}
	answer(w, shown)
	return nil
}

func (s *Service) putSchedule(w http.ResponseWriter, r *http.Request, body []byte, create bool) *apiError {
	if err := s.store(r.PathValue("name"), body, create); err != nil {
		return err
	}
	group := cmp.Or(text(members(body)["GroupName"]), defaultGroup)
	answer(w, encode(map[string]string{"ScheduleArn": s.scheduleARN(&storedSchedule{group: group, name: r.PathValue("name")})}))
	return nil
}

// store makes a schedule, or replaces all settings of one: what is not sent gets its default again.
func (s *Service) store(name string, body []byte, create bool) *apiError {
	settings := members(body)
	if settings == nil {
		return refuse(http.StatusBadRequest, "SerializationException", "The request body is not a JSON object.")
	}
	if err := checkSchedule(name, settings); err != nil {
		return err
	}
	token := text(settings["ClientToken"])
	delete(settings, "ClientToken")
	group := cmp.Or(text(settings["GroupName"]), defaultGroup)
	key := group + "/" + name
	s.mu.Lock()
	defer s.mu.Unlock()
	stored := s.scheduler.schedules[key]
	switch {
	case !s.scheduler.groups[group]:
		return refuse(http.StatusNotFound, "ResourceNotFoundException", "Schedule group %s does not exist.", group)
	case token != "" && s.scheduler.tokens[token] == key+string(encode(settings)):
		return nil // It is the same change.
	case token != "" && s.scheduler.tokens[token] != "":
		return refuse(http.StatusConflict, "ConflictException", "The client token was used for another request.")
	case create && stored != nil:
		return refuse(http.StatusConflict, "ConflictException", "Schedule %s already exists.", name)
	case !create && stored == nil:
		return noSchedule(name)
	}
	now := s.opts.Now()
	if stored == nil {
		stored = &storedSchedule{group: group, name: name, created: now}
		s.scheduler.schedules[key] = stored
	}
	stored.settings, stored.modified = settings, now
	if token != "" {
		s.scheduler.tokens[token] = key + string(encode(settings))
	}
	return nil
}

func noSchedule(name string) *apiError {
	return refuse(http.StatusNotFound, "ResourceNotFoundException", "Schedule %s does not exist.", name)
}

// Tick is the scheduled time of a schedule: one that is enabled starts its function with its input, in which the context attributes are filled in ("Adding
// context attributes"). It returns the request id; empty when the schedule is disabled.
func (s *Service) Tick(group, name string, at time.Time) (requestID string, err error) {
	s.mu.Lock()
	stored := s.scheduler.schedules[group+"/"+name]
	if stored == nil {
		s.mu.Unlock()
		return "", noSchedule(name)
	}
	arn, settings := s.scheduleARN(stored), stored.settings
	s.mu.Unlock()
	target := members(settings["Target"])
	if cmp.Or(text(settings["State"]), "ENABLED") == "DISABLED" {
		return "", nil
	}
	d, refused := s.deployment(text(target["Arn"]), "")
	if refused != nil {
		return "", refused
	}
	scheduled := at.UTC().Format("2006-01-02T15:04:05Z")
	input := text(target["Input"])
	if input == "" {
		input = string(encode(map[string]any{"version": "0", "id": s.opts.NewRequestID(), "detail-type": "Scheduled Event", "source": "aws.scheduler",
			"account": s.opts.AccountID, "time": scheduled, "region": s.opts.Region, "resources": []string{arn}, "detail": "{}"}))
	}
	input = strings.NewReplacer("<aws.scheduler.scheduled-time>", scheduled, "<aws.scheduler.schedule-arn>", arn, "<aws.scheduler.attempt-number>", "1",
		"<aws.scheduler.execution-id>", s.opts.NewRequestID()).Replace(input)
	return d.InvokeEvent([]byte(input))
}

func answer(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // Who has gone does not need it.
}

// members are the members of an object that are not null, which means the same to the service as not being there; nil for other text.
func members(value []byte) map[string]json.RawMessage {
	var m map[string]json.RawMessage
	if json.Unmarshal(value, &m) != nil {
		return nil
	}
	maps.DeleteFunc(m, func(_ string, v json.RawMessage) bool { return string(v) == "null" })
	return m
}

// text is the string that a value holds, or empty.
func text(value json.RawMessage) string {
	var t string
	_ = json.Unmarshal(value, &t) // Empty then.
	return t
}

func encode(value any) []byte {
	body, err := json.Marshal(value)
	if err != nil { // What is encoded here came from JSON.
		panic(err)
	}
	return body
}
