-- Which of its keys a host is known to have: a renewal is signed by it. However many answers to renewals were lost since,
-- secrets are sealed to that key, too. Written by workers alone, when they have seen the proof.
alter table certificate add column proven_at timestamptz;
