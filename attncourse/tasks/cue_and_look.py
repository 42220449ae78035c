from __future__ import annotations
from dataclasses import dataclass
import torch
from torch import Tensor
from attncourse.tasks.base import seeded
from attncourse.tasks.images import digits
_TEST_SEED = 2_400
@dataclass(frozen=True)
class CueAndLook:
    test_size: int = 2_000
    @property
    def classes(self): return 10
    def train_batch(self, seed, step, size):
        x,y,_=self.draw(size, seeded(seed,step,3), train=True); return x,y
    def test_set(self):
        x,y,_=self.test_cases(); return x,y
    def test_cases(self): return self.draw(self.test_size, seeded(_TEST_SEED), train=False)
    def draw(self,size,generator,*,train):
        tx,ty,ex,ey=digits()
        images,labels=(tx,ty) if train else (ex,ey)
        chosen=torch.randint(len(labels),(size,4),generator=generator)
        corner=torch.randint(4,(size,),generator=generator)
        x=torch.zeros(size,1,20,20)
        for c in range(4):
            r,k=divmod(c,2)
            x[:,:,12*r:12*r+8,12*k:12*k+8]=images[chosen[:,c]]
        x[:,:,8:12,8:12]=0.2
        n=torch.arange(size)[:,None,None]
        r=(8+2*(corner//2))[:,None,None]+torch.arange(2)[:,None]
        k=(8+2*(corner%2))[:,None,None]+torch.arange(2)
        x[n,0,r,k]=1.0
        return x, labels[chosen[torch.arange(size),corner]], corner
