"""The members of a team: what all share, the lead, the teammates."""
