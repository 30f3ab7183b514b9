import cProfile, pstats, time
from tests.test_kill import *
async def test_p(settings, team, saver, tmp_path):
    app: Any = graph.compile(checkpointer=saver)
    tk=tf=tc=0
    pr=cProfile.Profile()
    with killer(settings) as killing:
        for step in range(5,125,8):
            t=time.time(); change = change_in(tmp_path / f"change-{step}"); tc+=time.time()-t
            state = state_of(change)
            t=time.time(); died, s = killing.kill(f"kill-{step}", state, kill_at=step); d=time.time()-t; tk+=d
            t=time.time(); pr.enable(); last = await finish(app, team, f"kill-{step}", state); pr.disable(); tf+=time.time()-t
            print(step,died,round(d,3),round(time.time()-t,3))
    print(tc,tk,tf)
    pstats.Stats(pr).sort_stats("cumtime").print_stats(45)
