"""Which test shows a rule where it says no, where it says yes, and where the rule itself fails.

A test that has parameters may serve many rules. A rule for which the third means nothing says
why in words; `WORDS` in `tests/unit/test_every_rule.py` lists these.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from team.codes import RULES


class Shown(NamedTuple):
    """The tests of one rule, each as `tests/path.py::name`."""

    no: str
    yes: str
    fails: str


def _at(module: str) -> str:
    return f"tests/{module}.py::test_"


LIMITS, REFUSALS, STEPS = _at("unit/test_limits"), _at("bus/test_refusals"), _at("unit/test_steps")
FRESH, GRANTS, ROSTER = (
    _at("unit/test_fresh_teammates"),
    _at("unit/test_grants"),
    _at("unit/test_roster"),
)
FAILING, APPROVALS = _at("unit/test_rules_that_fail"), _at("unit/test_approvals")
SPENDING, DISPUTES = _at("unit/test_spending"), _at("unit/test_disputes")
TRIAGE, LANES, EFFORT = _at("unit/test_triage"), _at("unit/test_lanes"), _at("unit/test_effort")
PLAN, CONTRACTS = _at("unit/test_plan"), _at("unit/test_contracts")
FETCHING: Final = _at("bus/test_fetch")
GATE, CHECKS, CANARIES = (
    _at("unit/test_gate"),
    _at("unit/test_gate_checks"),
    _at("unit/test_canaries"),
)
ANSWER, ANSWERS = _at("unit/test_synthesis"), _at("unit/test_synthesis_gate")
CONFLICTS, SETTLING = _at("unit/test_claim_conflicts"), _at("unit/test_steps_conflicts")
LINT, LINT_RULES, WRITTEN = (
    _at("unit/test_lint"),
    _at("unit/test_lint_rules"),
    _at("unit/test_written"),
)
AUDIT, CHAINS, AUDITED = (
    _at("unit/test_audit"),
    _at("unit/test_audit_chains"),
    _at("unit/test_audit_policy"),
)

# --- limits, permissions, approvals ---------------------------------------------------------

_CALL: Final = Shown(
    f"{LIMITS}each_limit_first_asks_to_wrap_up_and_then_stops",
    f"{REFUSALS}a_call_within_its_slice_is_made_and_nothing_is_refused",
    f"{LIMITS}a_limit_that_fails_to_run_is_a_no",
)
_GRANT: Final = Shown(
    f"{GRANTS}a_grant_is_denied_by_the_limit_that_has_too_little_left",
    f"{GRANTS}a_grant_is_denied_by_the_limit_that_has_too_little_left",
    f"{FAILING}without_a_limit_on_spending_that_can_be_told_nothing_is_granted",
)
_OF_LIMITS: Final = {
    "P101": Shown(
        f"{STEPS}seats_are_filled_for_the_lanes_there_are_within_policy",
        f"{STEPS}a_waiting_lane_is_offered_to_whoever_is_free_again",
        f"{FAILING}without_a_limit_on_teammates_that_can_be_told_nobody_is_recruited",
    ),
    "P102": Shown(
        f"{ROSTER}only_the_lead_lays_out_a_seat",
        f"{ROSTER}a_seat_is_in_before_its_process_has_started",
        f"{FAILING}a_seat_that_nobody_can_read_seats_nobody",
    ),
    "P103": Shown(
        f"{FRESH}a_lane_is_rejected_after_the_fresh_teammates_rounds_too",
        f"{FRESH}after_its_producers_rounds_a_lane_goes_to_a_fresh_teammate",
        f"{FAILING}without_a_limit_on_rounds_that_can_be_told_no_lane_has_another",
    ),
    "P104": _CALL,
    "P105": Shown(
        f"{REFUSALS}past_the_limit_on_tool_calls_only_the_returning_tool_runs",
        f"{LIMITS}tool_calls_are_counted_to_their_limit",
        f"{LIMITS}a_count_of_tool_calls_that_cannot_be_made_is_a_no",
    ),
    "P106": _CALL,
    "P107": _CALL._replace(no=f"{REFUSALS}a_call_that_could_cost_more_than_its_slice_is_not_made"),
    "P108": _CALL,
    "P109": _GRANT,
    "P110": _GRANT,
    "P111": Shown(
        f"{STEPS}a_late_run_admits_nothing_more",
        f"{STEPS}what_is_submitted_in_the_last_minutes_is_still_judged",
        f"{FAILING}without_a_time_limit_that_can_be_told_nothing_is_begun_or_admitted",
    ),
    "P112": Shown(
        f"{REFUSALS}a_call_may_not_write_more_than_policy_lets_it",
        f"{LIMITS}a_call_that_may_write_more_than_policy_lets_it_is_not_made",
        f"{LIMITS}a_limit_that_fails_to_run_is_a_no",
    ),
}
_OF_PERMISSIONS: Final = {
    "P201": Shown(
        f"{REFUSALS}a_tool_that_was_not_given_is_refused_in_the_batch_of_the_turn",
        f"{REFUSALS}a_policy_for_another_role_takes_nothing_away",
        f"{REFUSALS}a_role_whose_tools_cannot_be_told_may_only_return",
    ),
    "P202": Shown(
        f"{REFUSALS}a_source_outside_is_refused_as_an_event_and_an_unknown_one_is_not",
        f"{REFUSALS}a_role_sees_only_sources_inside_its_policy_and_its_contract",
        f"{REFUSALS}what_a_member_may_read_and_cannot_be_told_is_a_no",
    ),
    "P203": Shown(
        f"{REFUSALS}the_event_of_a_refused_decision_is_stored_and_the_decision_is_not",
        f"{REFUSALS}a_member_decides_only_in_areas_of_its_role",
        f"{REFUSALS}where_a_member_may_decide_and_cannot_be_told_is_a_no",
    ),
    "P204": Shown(
        f"{LIMITS}a_model_that_policy_does_not_name_is_not_asked",
        f"{REFUSALS}only_a_model_that_policy_allows_is_asked",
        f"{REFUSALS}a_call_whose_size_cannot_be_told_is_not_made",
    ),
    "P205": Shown(
        f"{PLAN}a_lane_may_write_only_what_policy_lets_its_role",
        f"{PLAN}a_lane_may_write_only_what_policy_lets_its_role",
        f"{PLAN}a_rule_that_fails_is_a_no",
    ),
    "P206": Shown(
        f"{ROSTER}who_may_say_that_a_member_is_gone",
        f"{AUDITED}what_was_kept_is_none",
        f"{FAILING}a_message_that_nobody_can_read_counts_for_nothing",
    ),
    "P207": Shown(
        f"{FETCHING}what_policy_or_contract_does_not_name_is_refused_and_nothing_is_asked",
        f"{FETCHING}a_page_is_brought_as_data_kept_and_can_be_quoted",
        f"{FETCHING}a_name_whose_addresses_cannot_be_told_is_not_asked",
    ),
}
_OF_APPROVALS: Final = {
    "P301": Shown(
        f"{APPROVALS}only_a_persons_answer_counts",
        f"{APPROVALS}a_plan_is_asked_for_waited_for_and_dispatched_once_approved",
        f"{FAILING}a_plan_is_not_approved_by_an_answer_that_nobody_can_read",
    ),
    "P302": Shown(
        f"{APPROVALS}the_lead_does_not_rule_where_a_person_has_to",
        f"{DISPUTES}a_person_may_rule_before_the_lead_does",
        f"{FAILING}a_decision_is_not_ruled_on_by_an_answer_that_nobody_can_read",
    ),
    "P303": Shown(
        f"{SPENDING}who_has_said_no_is_not_asked_again",
        f"{SPENDING}a_yes_raises_what_may_be_granted_and_a_pending_ask_does_not",
        f"{FAILING}money_is_not_granted_by_an_answer_that_nobody_can_read",
    ),
    "P304": Shown(
        f"{APPROVALS}a_refused_text_is_not_approved",
        f"{APPROVALS}an_approval_is_for_one_text_only",
        f"{FAILING}a_result_is_not_approved_by_an_answer_that_nobody_can_read",
    ),
}

# --- triage and contracts -------------------------------------------------------------------

_RULE_FAILS: Final = f"{TRIAGE}a_rule_that_fails_speaks_against_a_team"
_SHAPE_FAILS: Final = f"{TRIAGE}lanes_that_cannot_be_made_ready_are_no_teams"
_SIZE_FAILS: Final = f"{TRIAGE}lanes_whose_size_is_not_known_are_no_teams"
_WORTH_IT: Final = f"{TRIAGE}two_lanes_that_can_begin_apart_are_worth_a_team"
_OF_TRIAGE: Final = {
    "T101": Shown(f"{TRIAGE}a_single_lane_needs_no_team", _WORTH_IT, _RULE_FAILS),
    "T102": Shown(
        f"{LANES}a_lane_that_leans_on_another_waits_for_it",
        f"{LANES}a_lane_may_name_itself_and_what_its_own_title_holds",
        _SHAPE_FAILS,
    ),
    "T103": Shown(
        f"{TRIAGE}lanes_too_short_to_pay_for_dispatch_need_no_team",
        f"{LANES}lanes_long_enough_are_left_alone",
        _SIZE_FAILS,
    ),
    "T104": Shown(
        f"{TRIAGE}not_even_who_asks_for_a_team_gets_two_that_write_the_same_file",
        f"{LANES}lanes_that_may_write_to_the_same_files_are_merged",
        _SHAPE_FAILS,
    ),
    "T105": Shown(
        f"{TRIAGE}a_team_that_is_no_better_than_its_lead_is_none", _WORTH_IT, _RULE_FAILS
    ),
    "T106": Shown(
        f"{LANES}two_lanes_that_say_the_same_over_the_same_sources_are_merged",
        f"{LANES}the_same_question_over_other_sources_is_another_lane",
        _SHAPE_FAILS,
    ),
    "T107": Shown(
        f"{LANES}a_lane_that_outgrows_a_context_is_split_by_its_documents", _WORTH_IT, _SIZE_FAILS
    ),
    "T108": Shown(
        f"{EFFORT}fifty_teammates_for_a_simple_question_are_sent_back",
        f"{EFFORT}as_many_lanes_as_the_cap_are_not_sent_back",
        f"{PLAN}a_rule_that_fails_is_a_no",
    ),
}
_LANE: Final = Shown(
    f"{PLAN}a_lane_that_cannot_be_used_is_told_why",
    f"{PLAN}a_sound_plan_has_no_problems",
    f"{PLAN}a_rule_that_fails_is_a_no",
)
_WHOLE: Final = _LANE._replace(no=f"{PLAN}a_plan_that_cannot_be_used_is_told_why")
_CONTRACT: Final = Shown(
    f"{CONTRACTS}a_contract_that_lacks_a_part_is_told_which",
    f"{CONTRACTS}a_contract_with_all_its_parts_has_no_problems",
    f"{CONTRACTS}a_rule_that_fails_is_a_no",
)
_OF_CONTRACTS: Final = {
    **dict.fromkeys(
        ("C101", "C102", "C103", "C104", "C105", "C106", "C110", "C113", "C114"), _LANE
    ),
    **dict.fromkeys(("C107", "C115"), _WHOLE),
    "C109": _WHOLE._replace(yes=f"{PLAN}a_constraint_that_stands_in_the_goal_is_kept"),
    **dict.fromkeys(("C108", "C111", "C112"), _CONTRACT),
}

# --- the gate -------------------------------------------------------------------------------


def _check(no: str, yes: str = f"{CHECKS}each_check_upholds_a_sound_finding") -> Shown:
    return Shown(no, yes, f"{CHECKS}each_check_that_crashes_is_a_no")


def _answer(no: str, yes: str = f"{ANSWER}a_sound_synthesis_passes") -> Shown:
    return Shown(no, yes, f"{ANSWERS}each_check_of_the_answer_that_crashes_is_a_no")


_OF_GATE: Final = {
    "G101": _check(f"{GATE}a_finding_of_the_wrong_shape_is_refused"),
    "G102": _check(f"{GATE}a_finding_for_another_round_or_of_another_member_is_refused"),
    "G103": _check(f"{GATE}a_source_outside_the_contract_is_refused_by_name"),
    "G104": _check(f"{GATE}every_quote_of_every_claim_is_looked_up"),
    "G105": _check(
        f"{GATE}a_finding_that_rests_on_what_was_superseded_is_refused_and_told_by_what"
    ),
    "G106": _check(f"{GATE}a_finding_that_cost_more_than_was_granted_is_refused"),
    "G107": _check(f"{CHECKS}a_producer_whose_status_is_not_clean_is_refused"),
    "G108": _check(f"{CHECKS}a_criterion_that_does_not_hold_is_refused"),
    "G109": _check(
        f"{CHECKS}a_finding_that_speaks_of_its_own_verification_is_refused",
        f"{CHECKS}sound_words_about_approval_and_verification_pass",
    ),
    "G110": _check(
        f"{CHECKS}an_order_to_an_agent_is_refused_wherever_it_stands",
        f"{CHECKS}sound_words_about_security_and_orders_pass",
    ),
    "G111": Shown(
        f"{GATE}one_verifier_that_doubts_one_claim_is_enough_to_refuse",
        f"{GATE}a_finding_whose_claims_all_verifiers_uphold_is_verified",
        f"{STEPS}a_verifier_that_gives_up_may_try_once_more",
    ),
    "G112": Shown(
        f"{CANARIES}all_words_of_a_verifier_that_lets_the_canary_pass_are_void",
        f"{CANARIES}a_verifier_that_refutes_the_canary_is_heard_and_the_canary_is_no_objection",
        f"{CANARIES}a_canary_that_cannot_be_made_lets_no_claim_pass_to_a_verifier",
    ),
    "G190": Shown(
        f"{CHECKS}a_check_that_cannot_be_loaded_is_a_no_for_every_finding",
        f"{CHECKS}a_check_of_ones_own_runs_beside_ours_in_the_order_of_the_policy",
        "it is what is said of a check that fails",
    ),
}
_OF_ANSWERS: Final = {
    "G201": _answer(f"{ANSWER}a_sentence_that_cites_nothing_is_refused"),
    "G202": _answer(
        f"{ANSWER}a_loose_quotation_is_refused",
        f"{ANSWER}a_quotation_that_stands_in_its_evidence_passes",
    ),
    "G203": _answer(
        f"{ANSWER}a_sentence_that_numbers_its_citations_itself_is_refused",
        f"{ANSWER}a_number_in_brackets_that_a_source_has_may_be_quoted",
    ),
    "G204": _answer(
        f"{ANSWER}an_admitted_lane_that_is_not_used_is_refused",
        f"{ANSWER}one_claim_of_a_lane_is_enough_to_use_it",
    ),
    "G205": _answer(
        f"{ANSWERS}an_aspect_that_nothing_answers_is_refused",
        f"{ANSWERS}an_aspect_may_be_said_to_be_missing_instead",
    ),
    "G206": _answer(
        f"{ANSWERS}a_constraint_that_code_can_check_is_checked",
        f"{ANSWERS}of_any_other_constraint_the_lead_says_how_it_is_met",
    ),
    "G207": _answer(
        f"{ANSWERS}a_refused_claim_does_not_come_in_under_anothers_name",
        f"{ANSWERS}what_was_refused_once_and_admitted_later_may_be_said",
    ),
}
_OF_CONFLICTS: Final = {
    "G301": Shown(
        f"{CONFLICTS}a_ruling_strikes_out_what_does_not_stand",
        f"{CONFLICTS}a_ruling_does_not_meet_a_claim_that_was_revised",
        f"{SETTLING}past_the_limit_of_rulings_neither_claim_stands",
    ),
    "G302": Shown(
        f"{CONFLICTS}of_what_nobody_has_ruled_on_neither_stands",
        f"{SETTLING}claims_that_a_verifier_calls_compatible_are_both_used",
        f"{SETTLING}a_comparison_that_fails_twice_goes_to_the_lead",
    ),
    "G303": Shown(
        f"{SETTLING}a_search_that_fails_ends_the_run_as_rejected",
        f"{SETTLING}lanes_that_agree_are_written_up_at_once",
        "it is what is said of a search that fails",
    ),
}

# --- files ----------------------------------------------------------------------------------

_FILE: Final = Shown(
    f"{LINT}a_rule_that_is_broken_is_named_with_file_and_line",
    f"{LINT_RULES}a_rule_that_is_kept_is_not_mentioned",
    f"{LINT_RULES}a_rule_that_fails_is_an_error_of_the_file_and_the_others_are_asked",
)
_OF_FILES: Final = {
    **{code: _FILE for code in RULES if code.startswith(("L1", "L2"))},
    "L102": _FILE._replace(no=f"{LINT}a_file_that_can_not_be_read_is_a_problem"),
    "L108": _FILE._replace(
        no=f"{WRITTEN}every_problem_is_found_at_its_own_line",
        yes=f"{WRITTEN}a_document_has_a_problem_exactly_if_its_type_refuses_it",
    ),
    "L190": Shown(
        f"{LINT_RULES}a_rule_that_fails_ends_the_command_as_bad_input_and_not_with_a_traceback",
        f"{LINT}files_that_are_sound_have_no_problem",
        "it is what is said of a rule that fails",
    ),
}

# --- the audit ------------------------------------------------------------------------------

_CHAIN: Final = Shown(
    f"{CHAINS}a_hole_in_a_chain_is_a_breach_under_its_code",
    f"{CHAINS}what_is_in_order_has_none",
    f"{CHAINS}a_part_that_fails_is_a_breach",
)
_QUOTE: Final = _CHAIN._replace(
    fails=f"{CHAINS}a_library_that_fails_is_a_breach_and_no_chain_is_whole"
)
_OF_AUDIT: Final = {
    **{code: _CHAIN for code in RULES if code.startswith("A1")},
    **dict.fromkeys(("A105", "A106", "A107"), _QUOTE),
    "A100": Shown(
        f"{CHAINS}what_cannot_be_read_is_a_breach",
        f"{AUDIT}a_clean_run_says_so",
        f"{CHAINS}a_stream_that_nobody_opened_is_a_breach",
    ),
    "A114": Shown(
        f"{CHAINS}a_part_that_fails_is_a_breach",
        f"{AUDIT}a_clean_run_says_so",
        "it is what is said of a part that fails",
    ),
}

TESTS: Final[dict[str, Shown]] = {
    **_OF_LIMITS,
    **_OF_PERMISSIONS,
    **_OF_APPROVALS,
    **_OF_TRIAGE,
    **_OF_CONTRACTS,
    **_OF_GATE,
    **_OF_ANSWERS,
    **_OF_CONFLICTS,
    **_OF_FILES,
    **_OF_AUDIT,
}
"""The tests of each rule, by its code."""
