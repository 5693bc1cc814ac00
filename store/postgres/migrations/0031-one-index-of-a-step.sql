-- Two indexes began with the step. A partition that has not been analysed yet (the first minute of a ledger, and of each new
-- hundred thousand runs) gives the planner nothing to tell them apart by: it took the one by state to find a host, and read a whole step
-- with all its dead versions for each. 20 steps on 1,000 hosts took 35, then 76 s; 18 s without it. Whoever asks by state reads the step
-- by its primary key. And an update of the state alone changes no index any more.
drop index host_result_state;
